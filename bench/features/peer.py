"""The same features by DuckDB: `run` computes them into a Parquet file and prints its cost, `compare` holds results against one another."""
import json
import resource
import sys
import time

import duckdb

DAY = 86_400_000_000
FEATURES = ["balance", "inflow_7d", "inflow_30d", "inflow_90d", "outflow_7d", "outflow_30d", "outflow_90d", "credits_30d", "debits_30d",
            "largest_debit_90d", "largest_debit_90d_special", "days_since_credit", "days_since_credit_special", "days_of_history", "days_of_history_special"]


def special(history, value):
    return f"case when {history} is null then 'no history' when {value} is null then 'no event in the window' end"


def grouped(source, t):
    """Features of groups by filters; t is the as-of in microseconds, source has account_id, currency, ts, amount (null without history)."""
    def flow(sign, n):
        return f"coalesce(sum(amount) filter (where amount {sign} 0 and ts > {t} - {n * DAY}), 0) * {1 if sign == '>' else -1}"

    def some(x):
        return f"case when min(ts) is not null then {x} end"

    largest, last = f"-min(amount) filter (where amount < 0 and ts > {t} - {90 * DAY})", f"({t} - max(ts) filter (where amount > 0)) // {DAY}"
    return f"""select account_id, {t} as as_of, any_value(currency) as currency, sum(amount) as balance,
        {some(flow('>', 7))} as inflow_7d, {some(flow('>', 30))} as inflow_30d, {some(flow('>', 90))} as inflow_90d,
        {some(flow('<', 7))} as outflow_7d, {some(flow('<', 30))} as outflow_30d, {some(flow('<', 90))} as outflow_90d,
        {some(f"count(*) filter (where amount > 0 and ts > {t} - {30 * DAY})")} as credits_30d,
        {some(f"count(*) filter (where amount < 0 and ts > {t} - {30 * DAY})")} as debits_30d,
        {largest} as largest_debit_90d, {special('min(ts)', largest)} as largest_debit_90d_special,
        {last} as days_since_credit, {special('min(ts)', last)} as days_since_credit_special,
        ({t} - min(ts)) // {DAY} as days_of_history, {special('min(ts)', 'min(ts)')} as days_of_history_special
        from {source} group by account_id{'' if t.isdigit() else ', ' + t}"""


def windows(r):
    """Features by sums of each day and frames over a grid of days: as-of instants are ends of days here."""
    first, last = r["begin"] // DAY, max(r["as_of"]) // DAY
    def over(n):
        return f"over (partition by account_id order by day rows between {n - 1} preceding and current row)"
    so_far = "over (partition by account_id order by day rows unbounded preceding)"
    return f"""with daily as (
          select account_id, ts // {DAY} as day, sum(amount) as amount, sum(amount) filter (where amount > 0) as credit, -sum(amount) filter (where amount < 0) as debit,
                 count(*) filter (where amount > 0) as credits, count(*) filter (where amount < 0) as debits, -min(amount) filter (where amount < 0) as largest,
                 max(ts) filter (where amount > 0) as last, min(ts) as first
          from entries group by all),
        grid as (select a.account_id, a.currency, d.day from accounts a cross join (select unnest(range({first}, {last} + 1)) as day) d),
        framed as (
          select g.account_id, g.currency, g.day, (g.day + 1) * {DAY} - 1 as as_of, sum(amount) {so_far} as balance,
            sum(credit) {over(7)} as i7, sum(credit) {over(30)} as i30, sum(credit) {over(90)} as i90,
            sum(debit) {over(7)} as o7, sum(debit) {over(30)} as o30, sum(debit) {over(90)} as o90,
            sum(credits) {over(30)} as c30, sum(debits) {over(30)} as d30, max(largest) {over(90)} as largest,
            max(last) {so_far} as last, min(first) {so_far} as first
          from grid g left join daily using (account_id, day))
        select account_id, as_of, currency, balance,
          {', '.join(f"case when first is not null then coalesce({x}, 0) end as {n}" for x, n in zip(['i7', 'i30', 'i90', 'o7', 'o30', 'o90', 'c30', 'd30'], FEATURES[1:9]))},
          largest as largest_debit_90d, {special('first', 'largest')} as largest_debit_90d_special,
          (as_of - last) // {DAY} as days_since_credit, {special('first', 'last')} as days_since_credit_special,
          (as_of - first) // {DAY} as days_of_history, {special('first', 'first')} as days_of_history_special
        from framed where day >= {min(r["as_of"]) // DAY}"""


def run(r):
    db = duckdb.connect()
    db.execute("set threads = 2; set timezone = 'UTC'; set preserve_insertion_order = false; set enable_progress_bar = false")
    db.execute(f"create view entries as select account_id, amount, epoch_us(booked_at) as ts from read_parquet({r['entries']!r}) where epoch_us(booked_at) <= {max(r['as_of'])}")
    db.execute(f"create view accounts as select * from read_parquet({r['accounts']!r})")
    if r["engine"] == "duckdb":
        query = grouped("accounts left join entries using (account_id)", str(r["as_of"][0]))
    elif r["engine"] == "duckdb join":
        db.execute(f"create view dates as select unnest({r['as_of']}) as as_of")
        query = grouped("(accounts cross join dates) left join entries on entries.account_id = accounts.account_id and ts <= as_of", "as_of").replace("select account_id", "select accounts.account_id", 1).replace("group by account_id", "group by accounts.account_id")
    else:
        query = windows(r)
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.time()
    db.execute(f"copy ({query}) to '{r['out']}' (format parquet)")
    wall, after = time.time() - start, resource.getrusage(resource.RUSAGE_SELF)
    rows = db.execute(f"select count(*) from read_parquet('{r['out']}')").fetchone()[0]
    print(json.dumps({"name": r["engine"], "run": r["run"], "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "wall": wall,
                      "peak": after.ru_maxrss << 10, "rows": rows, "files": [r["out"]]}))


def compare(costs):
    db = duckdb.connect()
    db.execute("set threads = 2; set timezone = 'UTC'; set enable_progress_bar = false")

    def rows(c):
        at = "epoch_us(as_of)" if c["name"] == "millrace" else "as_of"
        cast = ", ".join(f"{f}::decimal(38,2) as {f}" if not f.endswith("_special") else f for f in FEATURES)
        return f"select account_id, {at} as as_of, currency, {cast} from read_parquet({c['files']!r})"
    for c in costs:
        base = next(b for b in costs if b["name"] == "millrace" and b["run"] == c["run"].split("-")[0])
        if c is base:
            continue
        n = db.execute(f"select count(*) from ((({rows(base)}) except all ({rows(c)})) union all (({rows(c)}) except all ({rows(base)})))").fetchone()[0]
        print(f"{c['name']} {c['run']}: " + (f"{n} rows DIFFER" if n else f"all {c['rows']} rows are equal, {c['cpu'] / base['cpu']:.1f} times the CPU of millrace's {base['run']}"))
        if n:
            sys.exit(1)


request = json.load(sys.stdin)
if sys.argv[1] == "run":
    run(request)
else:
    compare(request)
