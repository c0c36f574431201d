"""Computes what the example reports from the data set's files, with other means: DuckDB's SQL and plain search.

usage: berka.py FOLDER   (prints JSON; amounts in hundredths)
"""
import collections
import csv
import datetime
import decimal
import itertools
import json
import sys

import duckdb
import pyarrow as pa

folder = sys.argv[1]


def read(name):
    with open(f"{folder}/{name}.asc", encoding="latin-1", newline="") as f:
        return list(csv.DictReader(f, delimiter=";"))


def cents(text):
    return int(decimal.Decimal(text) * 100)


def day(text):
    return datetime.date(1900 + int(text[:2]), int(text[2:4]), int(text[4:6]))


trans, orders, loans, accounts = read("trans"), read("order"), read("loan"), read("account")
movements = [
    (int(r["trans_id"]), int(r["account_id"]), day(r["date"]), cents(r["amount"]) * (1 if r["type"] == "PRIJEM" else -1), cents(r["balance"]),
     r["operation"], r["k_symbol"].strip(), r["bank"], r["account"]) for r in trans]
out = {"movements": len(movements), "sum": sum(m[3] for m in movements)}

# Balances: days whose movements chain in no order at all, by trying every order.
by_account = collections.defaultdict(lambda: collections.defaultdict(list))
for m in movements:
    by_account[m[1]][m[2]].append((m[3], m[4]))
unordered = 0
for days in by_account.values():
    for rows in days.values():
        unordered += not any(all(a[1] + b[0] == b[1] for a, b in itertools.pairwise(p)) for p in itertools.permutations(rows))
out["account_days"] = sum(len(d) for d in by_account.values())
out["unordered_days"] = unordered


def best(days):
    """The least (broken links, sum of differences) over all orders within days, by trying every order of each day."""
    ends = {0: (0, 0)}  # closing balance: weight
    for d in sorted(days):
        after = {}
        for order in set(itertools.permutations(days[d])):
            inner = [abs(a[1] + b[0] - b[1]) for a, b in itertools.pairwise(order)]
            broken, off = sum(x > 0 for x in inner), sum(inner)
            for opening, w in ends.items():
                first = abs(opening + order[0][0] - order[0][1])
                total = (w[0] + broken + (first > 0), w[1] + off + first)
                closing = order[-1][1]
                after[closing] = min(after.get(closing, total), total)
        ends = after
    return min(ends.values())


weights = [best(days) for days in by_account.values()]
out["broken_links"], out["broken_sum"] = sum(w[0] for w in weights), sum(w[1] for w in weights)
out["broken_accounts"] = sum(w[0] > 0 for w in weights)

# Orders and payments.
db = duckdb.connect()


def load(name, columns, rows):
    """Makes a table; row by row would take minutes."""
    arrived = pa.table({n: pa.array(c) for n, c in zip(columns.split(), zip(*rows))})  # noqa: F841, read by its name
    db.execute(f"create table {name} as select * from arrived")


load("m", "id account day amount balance operation symbol bank partner", movements)
load("o", "id account bank partner amount symbol",
     [(int(o["order_id"]), int(o["account_id"]), o["bank_to"], o["account_to"], cents(o["amount"]), o["k_symbol"].strip()) for o in orders])
load("a", "account opened", [(int(a["account_id"]), day(a["date"])) for a in accounts])
db.execute("create view p as select * from m where operation = 'PREVOD NA UCET'")
db.execute("create view pairs as select o.id, o.symbol osym, p.symbol psym, p.day from o join p on o.account = p.account and o.bank = p.bank and o.partner = p.partner and o.amount = -p.amount")
one = lambda sql: db.execute(sql).fetchone()[0]
out["orders"] = one("select count(*) from o")
out["unopened"] = one("select count(*) from o join a using (account) where opened > (select max(day) from m)")
out["paid"] = one("select count(distinct id) from pairs")
out["payments"] = one("select count(*) from pairs")
out["transfers"] = one("select count(*) from p")
out["other_symbol"] = one("select count(*) from pairs where osym <> psym")
out["months_without_payment"] = one("""select coalesce(sum(datediff('month', began, (select max(day) from m)) + 1 - n - (dayofmonth(began) > dayofmonth((select max(day) from m)))::int), 0)
  from (select id, min(day) began, count(*) n from pairs group by id)""")

# Features as of each loan's date.
load("l", "account granted", [(int(x["account_id"]), day(x["date"])) for x in loans])
out["features"] = [list(map(str, r)) for r in db.execute("""
  select account, granted, sum(amount)::bigint, coalesce(sum(amount) filter (amount > 0 and day > granted - 90), 0)::bigint, coalesce(-sum(amount) filter (amount < 0 and day > granted - 90), 0)::bigint,
    max(-amount) filter (amount < 0 and day > granted - 90), count(*) filter (amount > 0 and day > granted - 30), count(*) filter (amount < 0 and day > granted - 30),
    granted - max(day) filter (amount > 0), granted - min(day)
  from l join m using (account) where day <= granted and granted <= (select max(day) from m) group by account, granted order by granted, account""").fetchall()]
print(json.dumps(out))
