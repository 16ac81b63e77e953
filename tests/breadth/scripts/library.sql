-- Fills a database that stays, with indices and a table too large for one page, and lets it go through its paces.
pragma page_size = 4096;
create table event(id integer primary key, kind text, at int, payload blob);
create index by_kind on event(kind, at);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
  insert into event(kind, at, payload)
    select char(97 + i % 7), (i * 7919) % 100000, zeroblob(i % 50) || printf('%05d', i) from n;
commit;
select kind, count(*), min(at), max(at) from event group by kind;
delete from event where kind = 'c';
begin; update event set payload = null; rollback;
vacuum;
pragma journal_mode = truncate;
update event set at = at + 1 where kind = 'a';
select count(*), sum(at), sum(length(payload)) from event;
create table copy as select * from event where at > 90000;
select count(*) from copy;
pragma integrity_check;
.tables
.schema event
