package probe

// OpMetadataRules asks the instance metadata service what it must refuse, and what not.
const OpMetadataRules = "imds-rules"

// MetadataRules are the HTTP statuses of the instance metadata service's answers; 0 where none came.
type MetadataRules struct {
	// PutTTL1, PutTTL21600, PutTTL0, PutTTL21601 and PutNoTTL are those of PUTs for a session token,
	// by the time to live that was asked for, in seconds; PutForwarded is that of one that a proxy
	// sent on.
	PutTTL1      int `json:"putTTL1"`
	PutTTL21600  int `json:"putTTL21600"`
	PutTTL0      int `json:"putTTL0"`
	PutTTL21601  int `json:"putTTL21601"`
	PutNoTTL     int `json:"putNoTTL"`
	PutForwarded int `json:"putForwarded"`
	// GetWithToken, GetWithout, GetWithOther and GetWithExpired are those of GETs of the metadata,
	// by the session token that was sent along. The expired one was good for a second, and was tried
	// until it was refused or three seconds were over.
	GetWithToken   int `json:"getWithToken"`
	GetWithout     int `json:"getWithout"`
	GetWithOther   int `json:"getWithOther"`
	GetWithExpired int `json:"getWithExpired"`
	// Failure is the first request that got no answer.
	Failure *Failure `json:"failure,omitempty"`
}
