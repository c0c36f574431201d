package money_test

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/sdk/money"
)

func ExampleParse() {
	d, err := money.Parse("12.30")
	fmt.Println(d, d.Scale(), err)
	_, err = money.Parse("12,30")
	fmt.Println(err)
	// Output:
	// 12.30 2 <nil>
	// parse decimal "12,30": not a decimal number: byte 2 is ','
}

func ExampleDecimal_Div() {
	balance, _ := money.Parse("1000.00")
	days := money.FromInt64(365)
	fmt.Println(balance.Div(days, 4, money.HalfEven))
	// Output: 2.7397 <nil>
}

func ExampleDecimal_Rescale() {
	d, _ := money.Parse("0.125")
	for _, m := range []money.RoundingMode{money.HalfEven, money.HalfUp, money.Floor} {
		r, _ := d.Rescale(2, m)
		fmt.Println(m, r)
	}
	// Output:
	// half_even 0.12
	// half_up 0.13
	// floor 0.12
}

func ExampleAmount_Add() {
	a, _ := money.ParseAmount("10.00 EUR")
	b, _ := money.ParseAmount("10.00 CZK")
	_, err := a.Add(b)
	fmt.Println(errors.Is(err, money.ErrCurrencyMismatch), err)
	// Output: true add 10.00 EUR and 10.00 CZK: currencies differ
}

func ExampleAmount_Split() {
	a, _ := money.ParseAmount("10.00 EUR")
	parts, _ := a.Split(3)
	fmt.Println(parts)
	// Output: [3.34 EUR 3.33 EUR 3.33 EUR]
}

func ExampleAmount_AllocateBy() {
	payment, _ := money.ParseAmount("100.00 EUR")
	principal, _ := money.Parse("1500.00")
	interest, _ := money.Parse("37.50")
	parts, _ := payment.AllocateBy([]money.Decimal{principal, interest})
	fmt.Println(parts)
	// Output: [97.56 EUR 2.44 EUR]
}

func ExampleSum() {
	var debits money.Sum
	debits.AddInt64s([]int64{1230, -450, 70}) // a decimal(18,2) column
	total, err := debits.Decimal(2)
	fmt.Println(total, err)
	// Output: 8.50 <nil>
}

func ExampleInt128_AppendBytes() {
	d, _ := money.Parse("12.30")
	fmt.Printf("% x\n", d.Coefficient().AppendBytes(nil))
	// Output: 04 ce
}
