// Package nearest finds the known word that is most like a mistyped one.
package nearest

import "strings"

// Find returns the known word that is the likeliest to be meant by word, or "" if none is near. Capitals,
// and '_' for '-', make no difference. Of words that are equally near the first one is taken.
func Find(word string, known []string) string {
	word = plain(word)
	best, fewest := "", most(word)+1
	for _, candidate := range known {
		if d := distance(word, plain(candidate)); d < fewest {
			best, fewest = candidate, d
		}
	}
	if best != "" || len(word) < 3 {
		return best
	}
	// Somebody who knows the beginning, or one part of a name of several, types that.
	for _, candidate := range known {
		if strings.HasPrefix(plain(candidate), word) {
			return candidate
		}
	}
	for _, candidate := range known {
		if strings.Contains("-"+plain(candidate)+"-", "-"+word+"-") {
			return candidate
		}
	}
	return ""
}

// DidYouMean is the end of a sentence that names the nearest known word, or "".
func DidYouMean(word, prefix string, known []string) string {
	if near := Find(word, known); near != "" {
		return "; did you mean " + prefix + near + "?"
	}
	return ""
}

func plain(word string) string { return strings.ReplaceAll(strings.ToLower(word), "_", "-") }

// most is how many mistakes a word of that length may have.
func most(word string) int {
	const atMost = 4
	return min((len(word)+2)/3, atMost)
}

// longest bounds the work on words from outside.
const longest = 64

// distance is how many letters have to be inserted, removed, replaced or exchanged with their neighbour
// to make b of a (optimal string alignment, https://en.wikipedia.org/wiki/Damerau-Levenshtein_distance).
func distance(a, b string) int {
	if len(a) > longest || len(b) > longest {
		return longest
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
