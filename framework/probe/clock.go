package probe

import "time"

// OpClock returns the time of the node.
const OpClock = "clock"

// Clock is the time on the node.
type Clock struct {
	Now time.Time `json:"now"`
}
