-- What the clients of this suite work on.
create role app login password 'app secret';
create database app owner app;
\connect app super
set role app;

-- Each client puts rows here and always rolls back: whoever sees a row that is not its own was given another client's server.
create table uncommitted (owner text not null, value text not null);

-- Each client commits one row here for each round, so that the sum says whether anything was lost or done twice.
create table done (client_kind text not null, client integer not null, round integer not null, primary key (client_kind, client, round));

create table item (
    id integer generated always as identity primary key,
    name text not null unique,
    price numeric(10, 2) not null default 0 check (price >= 0),
    tags text[] not null default '{}',
    note jsonb
);
comment on table item is 'What psql describes.';

create function speak(what text) returns text language plpgsql as $$
begin
    raise notice 'heard: %', what;
    return upper(what);
end
$$;
