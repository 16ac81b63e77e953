-- Joins, windows, common table expressions, JSON, full text, triggers, transactions; and statements that fail.
create table author(id integer primary key, name text not null unique, born int check (born > 0));
create table book(id integer primary key, author int references author, title text, year int, price real);
insert into author(name, born) values ('Austen', 1775), ('Verne', 1828), ('Woolf', 1882), ('Nobody', 1900);
insert into book(author, title, year, price) values
  (1, 'Emma', 1815, 7.5), (1, 'Persuasion', 1817, 6.25), (2, 'Around the World', 1873, 9.99),
  (2, 'The Mysterious Island', 1874, 12), (3, 'Orlando', 1928, 8.4), (3, 'The Waves', 1931, 11);

.mode box
select name, count(book.id) as books, round(avg(price), 2) as average, group_concat(title, '; ') as titles
  from author left join book on book.author = author.id group by name order by name;
.mode list
select title, rank() over (order by price desc), sum(price) over (partition by author order by year),
  lag(title, 1, '-') over (order by year), ntile(3) over (order by year, id) from book order by id;
with recursive fibonacci(n, a, b) as (values (1, 0, 1) union all select n + 1, b, a + b from fibonacci where n < 90)
  select n, a from fibonacci where n % 10 = 0;
with recursive sudoku(row) as (select 1 union all select row + 1 from sudoku where row < 9)
  select group_concat(((row - 1) * 3 + (row - 1) / 3) % 9 + 1, ' ') from sudoku;
select json_group_object(name, json(books)) from
  (select name, json_group_array(json_object('title', title, 'year', year)) as books
    from author join book on book.author = author.id group by name order by name);
select key, value, type from json_each('{"a": 1, "b": [2, 3], "c": {"d": null}, "e": "ü"}');
select json_extract('{"a": {"b": [1, {"c": "deep"}]}}', '$.a.b[1].c'), '{"a":5}' ->> 'a';

create view cheap as select title from book where price < 8;
create trigger renamed after update of name on author begin
  insert into book(author, title) values (new.id, 'formerly ' || old.name);
end;
update author set name = 'Stephen' where name = 'Woolf';
insert into author(name, born) values ('Verne', 1) on conflict(name) do update set born = excluded.born + 1;
select * from cheap union select name || born from author order by 1;

begin; delete from book; select count(*) from book; rollback; select count(*) from book;
savepoint one; update book set price = 0; rollback to one; release one; select total(price) from book;

create virtual table notes using fts5(body);
insert into notes values ('the quick brown fox'), ('a lazy dog sleeps'), ('quick dogs and quicker foxes');
select rowid, highlight(notes, 0, '[', ']') from notes where notes match 'quick* NOT lazy' order by rowid;

select printf('%08.3f|%-8s|%x|%,d|%e', 3.14159, 'left', 255, 1234567, 0.000123), 1e300 * 1e10, 1 / 3.0, 5 / 2, -5 % 3;
select datetime(1000000000, 'unixepoch'), strftime('%j %w', '2026-02-28'), julianday('2000-01-01 12:00');
select upper('abc'), substr('hello', 2, 3), instr('hello', 'l'), replace('aaa', 'a', 'bc'), hex('é'), quote(x'00ff'),
  unicode('€'), char(8364), like('h%o', 'hello'), glob('h*', 'hello'), trim('  x '), abs(-3), typeof(1.0), typeof(null);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) select count(*), sum(i * i) from n;

select * from nowhere;
insert into author(name) values (null);
insert into author(name, born) values ('x', -1);
selec 1;
pragma integrity_check;
explain query plan select * from book join author on author.id = book.author where title like 'E%';
