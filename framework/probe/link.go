package probe

// Operations on the network of the pod.
const (
	OpLinks   = "links"   // the network's links
	OpForsake = "forsake" // take an address off the network; it needs NET_ADMIN
)

// Links of a network, in the kernel's order.
type Links struct {
	Links   []Link   `json:"links"`
	Failure *Failure `json:"failure,omitempty"`
}

// Link of a network.
type Link struct {
	Name string `json:"name"`
	Up   bool   `json:"up"`
	// Addresses and Routes (of the main table) are in CIDR notation, such as 169.254.170.23/32.
	Addresses []string `json:"addresses"`
	Routes    []string `json:"routes"`
}
