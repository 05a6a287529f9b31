package probe

// OpMetadataRules sends requests to the instance metadata service that it must refuse, and requests that it must accept.
const OpMetadataRules = "imds-rules"

// MetadataRules are the HTTP statuses of the instance metadata service's answers; 0 where none came.
type MetadataRules struct {
	// PutTTL1, PutTTL21600, PutTTL0, PutTTL21601 and PutNoTTL are those of PUTs for a session token, by the requested time
	// to live in seconds. PutForwarded is that of a PUT through a proxy.
	PutTTL1      int `json:"putTTL1"`
	PutTTL21600  int `json:"putTTL21600"`
	PutTTL0      int `json:"putTTL0"`
	PutTTL21601  int `json:"putTTL21601"`
	PutNoTTL     int `json:"putNoTTL"`
	PutForwarded int `json:"putForwarded"`
	// GetWithToken, GetWithout, GetWithOther and GetWithExpired are those of GETs of the metadata, by their session token.
	// The expired one was valid for one second, and was tried until it was refused, for three seconds at most.
	GetWithToken   int `json:"getWithToken"`
	GetWithout     int `json:"getWithout"`
	GetWithOther   int `json:"getWithOther"`
	GetWithExpired int `json:"getWithExpired"`
	// Failure is the first request without an answer.
	Failure *Failure `json:"failure,omitempty"`
}
