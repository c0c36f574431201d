package reconciliation

// Measure is how alike two texts are, from 0 to 1000.
type Measure string

// The measures, in whole thousandths, rounded down: the same on every machine.
const (
	// JaroWinkler weighs letters in common, near their places, and a common beginning. Good for names.
	JaroWinkler Measure = "jaro-winkler"
	// DamerauLevenshtein counts insertions, deletions, changes and swaps of neighbours, against the longer text's length.
	DamerauLevenshtein Measure = "damerau-levenshtein"
)

// mostRunes bounds what is compared of a text: the rest is not looked at.
const mostRunes = 256

// Similarity of two texts by a measure, in thousandths: 1000 where they are equal. Of each text the first 256 characters count.
func (m Measure) Similarity(a, b string) int {
	if a == b {
		return 1000
	}
	if b < a { // letters in common are found from one text; the order must not matter
		a, b = b, a
	}
	x, y := []rune(a), []rune(b)
	x, y = x[:min(len(x), mostRunes)], y[:min(len(y), mostRunes)]
	if len(x) == 0 || len(y) == 0 {
		return 0
	}
	if m == DamerauLevenshtein {
		return 1000 - 1000*editDistance(x, y)/max(len(x), len(y))
	}
	return jaroWinkler(x, y)
}

func jaroWinkler(a, b []rune) int {
	reach := max(max(len(a), len(b))/2-1, 0)
	usedA, usedB := make([]bool, len(a)), make([]bool, len(b))
	common := 0
	for i, r := range a {
		for j := max(0, i-reach); j < min(len(b), i+reach+1); j++ {
			if !usedB[j] && b[j] == r {
				usedA[i], usedB[j] = true, true
				common++
				break
			}
		}
	}
	if common == 0 {
		return 0
	}
	crossed, j := 0, 0
	for i := range a {
		if !usedA[i] {
			continue
		}
		for !usedB[j] {
			j++
		}
		if a[i] != b[j] {
			crossed++
		}
		j++
	}
	// (common/len(a) + common/len(b) + (common - crossed/2)/common) / 3, in millionths
	const unit = 1_000_000
	jaro := (unit*common/len(a) + unit*common/len(b) + unit*(2*common-crossed)/(2*common)) / 3
	prefix := 0
	for prefix < min(4, len(a), len(b)) && a[prefix] == b[prefix] {
		prefix++
	}
	return (jaro + prefix*(unit-jaro)/10) / 1000
}

// editDistance is the optimal string alignment distance.
func editDistance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
