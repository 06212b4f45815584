# Rails' ActiveRecord with prepared statements.
require "active_record"

PAUSE = Float(ENV.fetch("PAUSE"))

ActiveRecord::Base.establish_connection(
  adapter: "postgresql", host: ENV.fetch("PGHOST"), port: ENV.fetch("PGPORT"), username: ENV.fetch("PGUSER"), password: ENV.fetch("PGPASSWORD"),
  database: ENV.fetch("PGDATABASE"), pool: 1, prepared_statements: true
)

class Office < ActiveRecord::Base
  has_many :orders, inverse_of: :office
end

class User < ActiveRecord::Base
  has_many :addresses
end

class Address < ActiveRecord::Base
end

class Order < ActiveRecord::Base
  belongs_to :office, inverse_of: :orders
  belongs_to :user
end

def listing
  users, streets, offices = [], [], []
  Office.find_by!(name: "office 3").orders.order(:id).each do |order|
    users << order.user.name
    streets.concat(order.user.addresses.map(&:street))
    offices << Office.find(order.office_id).name if order.is_express
  end
  [users, streets, offices].map(&:size)
end

def fixed
  orders = Office.find_by!(name: "office 3").orders.order(:id).includes(user: :addresses).to_a
  express = orders.select(&:is_express)
  [orders.map(&:user).uniq.size, orders.sum { |order| order.user.addresses.size }, express.map { |order| order.office.name }.size]
end

page, visits, manner = ARGV
pool = ActiveRecord::Base.connection_pool
Integer(visits).times do |number|
  sleep(PAUSE) if number > 0 && manner == "persistent"
  shown = page == "fixed" ? fixed : listing
  raise "shown: #{shown}" unless shown == [77, 154, 20]
  pool.disconnect! if manner == "session"
end
pool.disconnect!
