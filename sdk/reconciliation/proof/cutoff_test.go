package proof

import (
	"reflect"
	"testing"
)

func TestCutOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value, booking int32
		want           []string
	}{
		"both in the period":        {value: 9, booking: 10},
		"both on the last day":      {value: 10, booking: 10},
		"both after":                {value: 11, booking: 12},
		"booked the day after":      {value: 10, booking: 11, want: []string{"booked late"}},
		"valued the day after":      {value: 11, booking: 10, want: []string{"booked early"}},
		"booked late in the period": {value: 1, booking: 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cut := CutOff{Day: 10}
			cut.Take([]string{"E1"}, "EUR", c.value, c.booking, dec("-5.00"))
			r, err := cut.Prove(Materiality{})
			if err != nil || r.Checked != 1 {
				t.Fatalf("got %+v, %v", r, err)
			}
			var got []string
			for _, it := range r.Items {
				got = append(got, it.What)
			}
			if !reflect.DeepEqual(got, c.want) || (r.Verdict == Pass) != (c.want == nil) {
				t.Fatalf("got %s %q, want %q", r.Verdict, got, c.want)
			}
			if gross := r.Gross["EUR"]; c.want != nil && !gross.Equal(dec("5")) {
				t.Fatalf("gross %s, want 5", gross)
			}
		})
	}
}
