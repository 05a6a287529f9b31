// Package nearest finds the known word that is most similar to a mistyped one.
package nearest

import "strings"

// Find returns the known word that is most similar to word, or "" if none is similar. Capitals, and '_' for '-', make no
// difference. Of equally similar words the first one counts.
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
	// A user who knows only the beginning, or one part of a name with several, types that.
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

// DidYouMean is the end of a sentence with the most similar known word, or "".
func DidYouMean(word, prefix string, known []string) string {
	if near := Find(word, known); near != "" {
		return "; did you mean " + prefix + near + "?"
	}
	return ""
}

func plain(word string) string { return strings.ReplaceAll(strings.ToLower(word), "_", "-") }

// most is the number of mistakes that a word of that length may have.
func most(word string) int {
	const atMost = 4
	return min((len(word)+2)/3, atMost)
}

// longest bounds the work for a long input.
const longest = 64

// distance is the number of letters to insert, remove, replace or exchange with their neighbour to turn a into b (optimal
// string alignment, https://en.wikipedia.org/wiki/Damerau-Levenshtein_distance).
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
