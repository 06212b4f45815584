# Rails' ActiveRecord with prepared statements on: migrations under their advisory lock, nested transactions, its cache of statements
# and the DEALLOCATEs of that, settings of its own on each connection.
require "active_record"

CLIENTS = Integer(ENV.fetch("CLIENTS"))
NAMED_CLIENTS = Integer(ENV.fetch("NAMED_CLIENTS"))
ROUNDS = 5
Thread.report_on_exception = false

def equal(got, wanted, what)
  raise "#{what}: #{got.inspect} instead of #{wanted.inspect}" unless got == wanted
end

def fails_with(error_class)
  yield
rescue error_class => error
  error
else
  raise "no error, but #{error_class} was due"
end

ActiveRecord::Base.establish_connection(
  adapter: "postgresql", host: ENV.fetch("PGHOST"), port: ENV.fetch("PGPORT"), username: ENV.fetch("PGUSER"), password: ENV.fetch("PGPASSWORD"),
  database: ENV.fetch("PGDATABASE"), pool: NAMED_CLIENTS + 1, checkout_timeout: 30, prepared_statements: true, statement_limit: 10,
  schema_search_path: "rails,public", min_messages: "warning", variables: { statement_timeout: "30s", lock_timeout: "20s" }
)

class Shelf < ActiveRecord::Base
  has_many :toys, dependent: :destroy
  validates :name, uniqueness: true
end

class Toy < ActiveRecord::Base
  belongs_to :shelf
end

class CreateShelves < ActiveRecord::Migration[6.1]
  def change
    create_table(:shelves) do |table|
      table.string :name, null: false, index: { unique: true }
      table.jsonb :labels, default: {}
      table.timestamps
    end
    create_table(:toys) do |table|
      table.references :shelf, null: false, foreign_key: true
      table.string :name
      table.decimal :price, precision: 10, scale: 2
    end
  end
end

class AddColours < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!

  def change
    add_column :toys, :colour, :string, default: "red"
    add_index :toys, :colour, algorithm: :concurrently
  end
end

def connection
  ActiveRecord::Base.connection
end

def ask(question)
  connection.select_value(question)
end

def check_migrations
  connection.execute("create schema if not exists rails")
  migrations = [[1, CreateShelves], [2, AddColours]].map do |version, kind|
    # The migrator asks each for its file's name as well.
    migration = kind.new(kind.name, version)
    migration.define_singleton_method(:filename) { "#{version}.rb" }
    migration.define_singleton_method(:scope) { "" }
    migration
  end
  versions = ActiveRecord::SchemaMigration
  ActiveRecord::Migration.verbose = false
  versions.create_table
  ActiveRecord::InternalMetadata.create_table
  ActiveRecord::Migrator.new(:up, migrations, versions).migrate
  equal(versions.all_versions, %w[1 2], "migrations done")
  ActiveRecord::Migrator.new(:down, migrations, versions, 1).migrate
  equal(connection.column_exists?(:toys, :colour), false, "column of the migration that was undone")
  ActiveRecord::Migrator.new(:up, migrations, versions).migrate
  equal(ask("select count(*) from pg_locks where locktype = 'advisory'"), 0, "locks left by the migrator")
  [Shelf, Toy].each(&:reset_column_information)
end

def check_session
  equal(ask("show search_path"), "rails, public", "search path")
  equal(ask("show statement_timeout"), "30s", "statement timeout")
  equal(ask("show lock_timeout"), "20s", "lock timeout")
  equal(ask("show client_min_messages"), "warning", "client_min_messages")
  equal(ask("show timezone"), "UTC", "time zone")
  equal(ask("show intervalstyle"), "iso_8601", "interval style")
end

def check_records
  shelf = Shelf.create!(name: "Größe ' \\", labels: { "k" => [1, nil] })
  3.times { equal(Shelf.find_by(name: "Größe ' \\").labels, { "k" => [1, nil] }, "JSON read back") }
  Toy.insert_all((1..200).map { |n| { shelf_id: shelf.id, name: "toy #{n}", price: n / 4r } })
  equal(shelf.toys.sum(:price), 5025, "sum of prices")
  equal(shelf.toys.where(price: 1..2).order(:price).pluck(:name), %w[4 5 6 7 8].map { |n| "toy #{n}" }, "names by price")
  equal(Toy.find_each(batch_size: 30).sum { |toy| toy.name.delete_prefix("toy ").to_i }, 20_100, "sum over batches")
  equal(Shelf.includes(:toys).to_a.sum { |one| one.toys.size }, 200, "toys loaded with their shelves")
  Toy.where(shelf: shelf).update_all("price = price + 1")
  equal(shelf.toys.order(:id).first.lock!.price, 1.25.to_d, "price of a locked row")
  shelf.destroy!
  equal(Toy.count, 0, "toys after the cascade")
end

def check_transactions
  Shelf.transaction do
    Shelf.create!(name: "outer")
    fails_with(ActiveRecord::RecordNotUnique) do
      Shelf.transaction(requires_new: true) do
        Shelf.create!(name: "inner")
        Shelf.insert!({ name: "outer", created_at: Time.now, updated_at: Time.now })
      end
    end
    equal(Shelf.order(:name).pluck(:name), ["outer"], "rows after the inner rollback")
    raise ActiveRecord::Rollback
  end
  equal(Shelf.count, 0, "rows after the outer rollback")
  Shelf.transaction(isolation: :serializable) { equal(ask("show transaction_isolation"), "serializable", "isolation level") }
  equal(ask("show transaction_isolation"), "read committed", "isolation level afterwards")
end

# More texts than the cache holds: the oldest are deallocated by name.
def check_statement_cache
  60.times do |round|
    columns = (1..(round % 20 + 1)).map { |n| "toys.id + #{n} as n#{n}" }
    equal(Toy.where(name: "nobody").select(*columns).to_a, [], "rows of nobody")
    equal(Toy.where(name: "nobody").count, 0, "count of nobody")
  end
  connection.clear_cache!
  equal(Toy.where(name: "nobody").count, 0, "count after the cache was cleared")
  connection.reset!
  check_session
  equal(Toy.where(name: "nobody").count, 0, "count after DISCARD ALL")
end

# ActiveRecord repairs this itself where it is not in a transaction.
def check_columns_that_come_later
  shelf = Shelf.create!(name: "changing")
  3.times { equal(Shelf.find(shelf.id).name, "changing", "name") }
  Thread.new { ActiveRecord::Base.connection_pool.with_connection { |other| other.execute("alter table shelves add column later text default 'x'") } }.join
  3.times { equal(Shelf.find(shelf.id).name, "changing", "name after the column was added") }
  shelf.destroy!
end

def one_of_the_crowd(number)
  ActiveRecord::Base.connection_pool.with_connection do
    connection.execute("set app.user_id = '#{number}'")
    ROUNDS.times do |turn|
      mine = ["rails-#{number}", "#{turn} #{rand}"]
      check_session
      equal(ask("show app.user_id"), number.to_s, "this client's own setting")
      Shelf.transaction do
        shelf = Shelf.create!(name: mine.join(" "))
        connection.exec_query("insert into uncommitted values ($1, $2)", "mine", mine.map { |value| [nil, value] }, prepare: true)
        equal(connection.exec_query("select owner, value from uncommitted", "all", [], prepare: true).rows, [mine], "rows that nobody else may have")
        Shelf.transaction(requires_new: true) do
          Toy.create!(shelf: shelf, name: "undone")
          raise ActiveRecord::Rollback
        end
        equal([Shelf.count, Toy.count], [1, 0], "rows that nobody else may have")
        raise ActiveRecord::Rollback
      end
      # Each client has other texts, more of them than the cache holds.
      12.times { |n| equal(Toy.where(name: "nobody").select("id + #{(number + n) % 15} as n").to_a, [], "rows of nobody") }
      connection.exec_query("insert into done values ('active-record', $1, $2)", "done", [[nil, number], [nil, turn]], prepare: true)
    end
  end
end

check_migrations
check_session
check_records
check_transactions
check_statement_cache
check_columns_that_come_later
NAMED_CLIENTS.times.map { |number| Thread.new { one_of_the_crowd(number) } }.each(&:join)
equal(ask("select count(*) from done where client_kind = 'active-record'"), NAMED_CLIENTS * ROUNDS, "rounds done")
ActiveRecord::Base.connection_pool.disconnect!
