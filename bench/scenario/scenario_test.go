package scenario

import "testing"

func TestScenariosAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range All() {
		if s.Name == "" || s.Title == "" || s.About == "" || s.Run == nil || seen[s.Name] || s.Subject != "agent" && s.Subject != "webhook" {
			t.Errorf("scenario %+v: want a name of its own, a title, what it is about, a subject and what it does", s)
		}
		seen[s.Name] = true
	}
	if len(Smoke()) == 0 {
		t.Error("the smoke set is empty")
	}
}
