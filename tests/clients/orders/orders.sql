-- The shop of the duplicates suite: an office with 77 orders, each of another user, each user with two addresses.
create table offices (id integer primary key, name text not null unique);
create table users (id integer primary key, name text not null, office_id integer not null references offices);
create table addresses (id integer primary key, user_id integer not null references users, street text not null);
create table orders (
    id integer primary key,
    office_id integer not null references offices,
    user_id integer not null references users,
    is_express boolean not null
);

insert into offices select n, 'office ' || n from generate_series(1, 5) as n;
insert into users select 1000 + n, 'user ' || n, 1 + n % 5 from generate_series(0, 99) as n;
insert into addresses select 5000 + 2 * n + k, 1000 + n, 'street ' || n from generate_series(0, 99) as n, generate_series(0, 1) as k;
-- Users come in no order of their own, so that only the order of the rows can tell where their ids are from.
insert into orders select 200 + n, 3, 1000 + n * 31 % 77, n < 20 from generate_series(0, 76) as n;
