package probe

import "time"

// OpClock tells the time on the node.
const OpClock = "clock"

// Clock is the time on the node.
type Clock struct {
	Now time.Time `json:"now"`
}
