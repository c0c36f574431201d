package columnar

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

func init() {
	dataset.RegisterMaker(makeDayProof)
	dataset.RegisterMaker(makeChainProof)
}

// The columns that ProveDays and ProveChains take, beside amounts.
const (
	ColAccount  = "account"
	ColDay      = "day"
	ColOpening  = "opening"
	ColMovement = "movement"
	ColClosing  = "closing"
	// ColKnown is false on a day whose opening cannot be known: the account came into the books by a snapshot of the source on it.
	ColKnown   = "known"
	ColBalance = "balance"
)

// ProveDays proves, account by account, that opening + movements = closing and
// that the opening is the prior day's closing ([reconciliation.Prover]). The
// rows are account-days: account (text), day (date), opening, movement, closing (decimals of one scale; null where nothing
// is stated or moved) and known (bool, null as true). A day without a closing must have moved nothing. Where
// the opening is not stated it is the prior closing, or, for an account that begins on the day, zero.
//
// The outcomes have a row a day: of class holds, balance, opening, or unproved (before the first balance that is stated, or
// not known). The key is account|day; amount_left is opening + movements, amount_right the closing.
func ProveDays(s beam.Scope, days dataset.Rows, rule string, scale int32, opts ...Option) dataset.Dataset {
	return prove(s.Scope("columnar.ProveDays"), days, makeDayProof, rule, scale, opts)
}

// ProveChains proves, account by account, that movements which state the balance
// after them follow from one another, whatever their order within a day ([reconciliation.Chain]).
// The rows are movements: account (text), day (date), amount and balance (decimals of one scale). Outcomes are as
// those of ProveDays, with the class order where no order of a day's movements explains its balances.
func ProveChains(s beam.Scope, movements dataset.Rows, rule string, scale int32, opts ...Option) dataset.Dataset {
	return prove(s.Scope("columnar.ProveChains"), movements, makeChainProof, rule, scale, opts)
}

type proofConfig struct {
	Rule  string `json:"rule"`
	Scale int32  `json:"scale"`
}

func prove(s beam.Scope, in dataset.Rows, maker func(string) (dataset.BatchFunc, error), rule string, scale int32, opts []Option) dataset.Dataset {
	set := settings{dataset.DefaultPartitions}
	for _, o := range opts {
		o(&set)
	}
	config, err := json.Marshal(proofConfig{rule, scale})
	if err != nil { // texts and numbers always encode
		config = nil
	}
	return dataset.MapGroups(s, in, []string{ColAccount}, maker, string(config),
		dataset.Within(ColDay), dataset.Spread(set.partitions), dataset.OutputSchema(OutcomeSchema(scale)))
}

// prover turns proofs into outcomes.
type prover struct {
	rule string
	out  outcomes
}

func newProver(config string) (*prover, error) {
	var c proofConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return nil, fmt.Errorf("balance proof: %w", err)
	}
	p := &prover{rule: c.Rule}
	p.out.init(OutcomeSchema(c.Scale))
	return p, nil
}

func makeDayProof(config string) (dataset.BatchFunc, error) {
	p, err := newProver(config)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
		in, err := dayColumnsOf(b)
		if err != nil {
			return nil, err
		}
		for i, j := 0, 0; i < in.account.Len(); i = j {
			for j = i; j < in.account.Len() && in.account.Value(j) == in.account.Value(i); j++ {
			}
			if err := p.days(in, i, j); err != nil {
				return nil, err
			}
		}
		return p.out.b.NewRecordBatch(), nil
	}, nil
}

// dayColumns are the columns of a batch of account-days.
type dayColumns struct {
	account                    *array.String
	day                        *array.Date32
	opening, movement, closing *array.Decimal128
	known                      *array.Boolean
}

func dayColumnsOf(b arrow.RecordBatch) (c dayColumns, err error) {
	var ok [6]bool
	c.account, ok[0] = columnOf(b, ColAccount).(*array.String)
	c.day, ok[1] = columnOf(b, ColDay).(*array.Date32)
	c.opening, ok[2] = columnOf(b, ColOpening).(*array.Decimal128)
	c.movement, ok[3] = columnOf(b, ColMovement).(*array.Decimal128)
	c.closing, ok[4] = columnOf(b, ColClosing).(*array.Decimal128)
	c.known, ok[5] = columnOf(b, ColKnown).(*array.Boolean)
	if ok != [6]bool{true, true, true, true, true, true} {
		return c, fmt.Errorf("the rows are no account-days: %s", b.Schema())
	}
	return c, nil
}

func columnOf(b arrow.RecordBatch, name string) arrow.Array {
	if at := b.Schema().FieldIndices(name); len(at) == 1 {
		return b.Column(at[0])
	}
	return nil
}

// orZero is a value, zero for null.
func orZero(a *array.Decimal128, i int) (money.Decimal, error) {
	if a.IsNull(i) {
		return money.Decimal{}, nil
	}
	return decimalOf(a, i)
}

// days proves the rows [from, to), which are one account's.
func (p *prover) days(in dayColumns, from, to int) error {
	stated := from
	for stated < to && in.closing.IsNull(stated) {
		stated++
	}
	never := stated == to // no balance is stated on any day: its movements are of an account that is not in the books
	var pr reconciliation.Prover
	for i := from; i < to; i++ {
		d, err := in.at(i)
		if err != nil {
			return fmt.Errorf("account %s: %w", in.account.Value(i), err)
		}
		if i < stated && !never {
			p.add(d, reconciliation.Unproved)
			continue
		}
		if unknown := in.known.IsValid(i) && !in.known.Value(i); unknown {
			if d.Opening, err = d.Closing.Sub(d.Movement); err != nil {
				return fmt.Errorf("account %s: %w", d.Account, err)
			}
			if _, _, err := pr.Prove(d); err != nil {
				return err
			}
			p.add(d, reconciliation.Unproved)
			continue
		}
		if in.opening.IsNull(i) && !d.Unstated {
			d.Opening = pr.Closing()
		}
		proof, holds, err := pr.Prove(d)
		if err != nil {
			return err
		}
		p.proof(proof, holds)
	}
	return nil
}

func (in dayColumns) at(i int) (d reconciliation.Day, err error) {
	d = reconciliation.Day{Account: in.account.Value(i), Date: int32(in.day.Value(i)), Unstated: in.closing.IsNull(i)}
	if d.Opening, err = orZero(in.opening, i); err != nil {
		return d, err
	}
	if d.Movement, err = orZero(in.movement, i); err != nil {
		return d, err
	}
	d.Closing, err = orZero(in.closing, i)
	return d, err
}

func (p *prover) proof(proof reconciliation.Proof, holds bool) {
	switch {
	case holds:
		p.add(proof.Day, reconciliation.Holds)
	case !proof.Difference.IsZero():
		p.add(proof.Day, reconciliation.Balance)
	default:
		p.addGap(proof)
	}
}

// add makes the outcome of a day: what it should close with on the left, what it closes with on the right.
func (p *prover) add(d reconciliation.Day, class reconciliation.Class) {
	end, err := d.Opening.Add(d.Movement)
	if err != nil { // Prove has added them
		end = d.Closing
	}
	p.outcome(class, d, end, d.Closing)
}

// addGap makes the outcome of an opening that is not the closing before: that closing on the left.
func (p *prover) addGap(proof reconciliation.Proof) {
	prior, err := proof.Opening.Sub(proof.Gap)
	if err != nil { // Prove has taken one from the other
		prior = proof.Opening
	}
	p.outcome(reconciliation.Opening, proof.Day, prior, proof.Opening)
}

func (p *prover) outcome(class reconciliation.Class, d reconciliation.Day, left, right money.Decimal) {
	key := d.Account + "|" + time.Unix(int64(d.Date)*24*60*60, 0).UTC().Format(time.DateOnly)
	p.out.add(p.rule, reconciliation.Break{Class: class,
		Left:  &reconciliation.Item{Key: key, Amount: left, Date: d.Date, Ref: "opening + movements"},
		Right: &reconciliation.Item{Key: key, Amount: right, Date: d.Date, Ref: "stated"}}, nil, nil)
}

func makeChainProof(config string) (dataset.BatchFunc, error) {
	p, err := newProver(config)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
		account, ok1 := columnOf(b, ColAccount).(*array.String)
		day, ok2 := columnOf(b, ColDay).(*array.Date32)
		amount, ok3 := columnOf(b, ColAmount).(*array.Decimal128)
		balance, ok4 := columnOf(b, ColBalance).(*array.Decimal128)
		if !ok1 || !ok2 || !ok3 || !ok4 {
			return nil, fmt.Errorf("the rows are no movements with balances: %s", b.Schema())
		}
		var rows []reconciliation.Stated
		var prior *money.Decimal
		for i, j := 0, 0; i < account.Len(); i = j {
			if i > 0 && account.Value(i) != account.Value(i-1) {
				prior = nil
			}
			rows = rows[:0]
			for j = i; j < account.Len() && account.Value(j) == account.Value(i) && day.Value(j) == day.Value(i); j++ {
				a, err := decimalOf(amount, j)
				if err != nil {
					return nil, fmt.Errorf("account %s: %w", account.Value(j), err)
				}
				after, err := decimalOf(balance, j)
				if err != nil {
					return nil, fmt.Errorf("account %s: %w", account.Value(j), err)
				}
				rows = append(rows, reconciliation.Stated{Amount: a, Balance: after})
			}
			closing, err := p.chain(account.Value(i), int32(day.Value(i)), prior, rows)
			if err != nil {
				return nil, err
			}
			prior = &closing
		}
		return p.out.b.NewRecordBatch(), nil
	}, nil
}

// chain proves one account's day of stated movements and returns its closing.
func (p *prover) chain(account string, day int32, prior *money.Decimal, rows []reconciliation.Stated) (money.Decimal, error) {
	link, err := reconciliation.Chain(prior, rows)
	if err != nil {
		return money.Decimal{}, fmt.Errorf("account %s: %w", account, err)
	}
	d := reconciliation.Day{Account: account, Date: day, Opening: link.Opening, Movement: link.Movement, Closing: link.Closing}
	if !link.Chains {
		p.add(d, reconciliation.Order)
		return link.Closing, nil
	}
	proof := reconciliation.Proof{Day: d}
	if prior != nil {
		if proof.Gap, err = link.Opening.Sub(*prior); err != nil {
			return money.Decimal{}, fmt.Errorf("account %s: %w", account, err)
		}
	}
	p.proof(proof, proof.Gap.IsZero())
	return link.Closing, nil
}
