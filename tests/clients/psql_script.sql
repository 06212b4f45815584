\pset pager off
\set VERBOSITY verbose
\encoding UTF8
truncate item restart identity;
\echo --- describe
\d item
\d+ item
\dt
\df speak
\dn
\l app
\du app
\sf speak
\echo --- questions and answers
select 1 as one, null as nothing, 'Größe' as text, array[1, 2] as list;
select 'a' as first \; select 'b' as second \; select 'c' as third;
select * from generate_series(1, 3) as number where false;
;
select 'no newline at the end' as x \gset
\echo :x
select 1 as number, 'x'::text as word, now() as moment \gdesc
select format('select %s * 2 as double', n) from generate_series(1, 3) as n \gexec
\x on
select 42 as answer, repeat('wide ', 20) as filler;
\x off
\if :has_bind
select $1::integer * 2 as double, $2 as word \bind 21 'it''s' \g
select $1::integer \bind 'not a number' \g
\endif
\echo --- notices
select speak('hello');
do $$ begin for i in 1..3 loop raise warning 'warning %', i; end loop; end $$;
drop table if exists nothing_of_that_name;
\echo --- errors
select 1 / 0;
\echo :SQLSTATE :LAST_ERROR_SQLSTATE
select broken from;
\errverbose
select * from nothing_of_that_name;
select 'first is fine' as a \; select 1 / 0 \; select 'never reached' as c;
select 'and life goes on' as a;
\echo --- transactions
begin;
create temporary table scratch (id integer primary key, word text) on commit drop;
insert into scratch select n, 'word ' || n from generate_series(1, 1000) as n;
savepoint one;
insert into scratch values (1, 'twice');
select 'this is not answered';
rollback to savepoint one;
select count(*), min(word), max(word) from scratch;
declare reader cursor for select id from scratch order by id;
fetch 3 from reader;
move forward 500 in reader;
fetch backward 2 from reader;
close reader;
commit;
begin isolation level serializable read only;
show transaction_isolation;
insert into item (name) values ('not allowed');
rollback;
\set AUTOCOMMIT off
insert into item (name) values ('never committed');
rollback;
\set AUTOCOMMIT on
\set ON_ERROR_ROLLBACK on
begin;
insert into item (name) values ('kept despite the error');
insert into item (name) values ('kept despite the error');
update item set note = '{"after": "the error"}' where name = 'kept despite the error';
select name, note from item;
rollback;
\set ON_ERROR_ROLLBACK off
\echo --- large answers in portions
\set FETCH_COUNT 100
select sum(length(row)) over (order by n) as running, n from (select n, repeat(chr(65 + n % 26), 200) as row from generate_series(1, 1050) as n) as rows offset 1000;
\set FETCH_COUNT 0
select md5(string_agg(repeat('x', 1000) || n, ',')) from generate_series(1, 2000) as n;
\echo --- copy
begin;
delete from item;
\copy item (name, price) from rows.txt
copy item (name, tags, note) from stdin with (format csv);
"quoted, with comma","{a,b}","{""k"": [1, 2]}"
plain,{},
\.
select name, price, tags, note from item order by name;
\copy (select name, price from item order by name) to stdout with (format csv, header)
copy (select n, md5(n::text) from generate_series(1, 5) as n) to stdout;
\copy (select n from generate_series(1, 2000) as n) to copied_out.txt
\copy item (name) from copied_out.txt
select count(*), sum(name::integer) from item where name ~ '^[0-9]+$';
rollback;
copy item (name, price) from stdin;
good	1.00
bad	not a number
\.
copy item (name, price) from stdin;
negative	-1.00
\.
copy item (name) from stdin;
the same
the same
\.
copy nothing_of_that_name from stdin;
skipped
\.
select count(*) as left_behind from item;
\echo --- large objects
\set QUIET on
\set ECHO none
begin;
\lo_import large_object
\set object :LASTOID
\lo_export :object large_object_back
select length(lo_get(:object));
\lo_unlink :object
commit;
\set QUIET off
\set ECHO queries
\echo --- the end
select count(*) from item;
