package probe

// Operations on the network of the pod.
const (
	OpLinks         = "links"          // the network's links
	OpRemoveAddress = "remove-address" // remove an address from the network; it needs NET_ADMIN
	// OpSpareDummy makes a bridge of the name that follows if the kernel has no links of type dummy. Otherwise it makes
	// nothing. It needs NET_ADMIN.
	OpSpareDummy = "spare-dummy"
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
