// Package imds serves the EC2 instance metadata service: version 2, and version 1 where it is turned on. Session tokens are
// bound to the instance and to a time, credentials rotate ahead of their end, and the response hop limit is the IP TTL of
// the packets (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html). Every
// source address stands for an instance: one that EC2 knows, or one that the package makes up.
package imds

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
)

// ServiceName is the service's name in the journal and in faults.
const ServiceName = "imds"

// Options of a Service.
type Options struct {
	// Region such as "us-west-2", Account of twelve digits.
	Region, Account string
	// Known returns what EC2 knows of the instance at an address; the zero value if it knows nothing. If Known is nil, EC2
	// knows no instance.
	Known func(netip.Addr) Known
	// RoleName is the name of the role of instances that EC2 does not know, and of their instance profile.
	RoleName string
	Role     Role
	// V1 says that requests without a session token are answered too, until SetV1Enabled changes it.
	V1 bool
	// Faults may delay or refuse requests; nil for none. The service is "imds". The operations are GetToken, GetCredentials
	// and GetMetadata.
	Faults *faults.Set
	// Record gets each request, under the same names. Its Subject is the path. If it is nil, requests are not recorded.
	Record func(journal.Call)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log gets a line for each failure to issue credentials; nil discards them.
	Log *slog.Logger
}

// maxInstances is the number of instances that are kept. An instance that was removed from the cache is made again.
const maxInstances = 4096

// Service serves the metadata. It is safe for concurrent use.
type Service struct {
	options Options
	started time.Time
	key     []byte
	v1      atomic.Bool
	// listener is nil until Attach.
	listener atomic.Pointer[Listener]

	mu        sync.Mutex
	instances *lru.Cache[place, *instance]
}

// place is where an instance is. A later instance at the same address has another place, and gets none of its credentials.
type place struct {
	address netip.Addr
	known   Known
}

// Known is what EC2 knows of an instance.
type Known struct {
	// ID such as "i-0123456789abcdef0".
	ID string
	// RoleARN is its role's ARN. The other fields are of its instance profile. WithoutRole says that it has neither.
	RoleARN, ProfileARN, ProfileID string
	WithoutRole                    bool
	// Type such as "t3.medium"; Zone, VPC and Subnet are where it is.
	Type, Zone, VPC, Subnet string
	Spot                    bool
	// Disabled says that its metadata service is turned off (HttpEndpoint of
	// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceMetadataOptionsRequest.html).
	Disabled bool
}

// New makes a service.
func New(options Options) *Service {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{options: options, started: options.Now(), key: make([]byte, sha256.Size)}
	// New fails only for a size below 1, and crypto/rand.Read never fails.
	s.instances, _ = lru.New[place, *instance](maxInstances)
	_, _ = rand.Read(s.key)
	s.v1.Store(options.V1)
	return s
}

// InstanceID is the ID of the instance at a source address: "i-" and 17 hexadecimal digits.
func InstanceID(sourceIP string) string { return "i-" + hexID(sourceIP) }

// hexID returns 17 hexadecimal digits that are derived from a text.
func hexID(of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:])[:17]
}

// Operations, as faults and the journal name them.
const (
	getToken       = "GetToken"
	getCredentials = "GetCredentials"
	getMetadata    = "GetMetadata"
)

// ServeHTTP answers a request of the instance at the request's remote address.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := &journal.Call{Time: s.options.Now(), Service: ServiceName, Operation: operation(r.URL.Path), Subject: r.URL.Path}
	var source netip.Addr // the zero address if it cannot be read
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		source, _ = netip.ParseAddr(host)
		source = source.Unmap().WithZone("")
		call.SourceIP = source.String()
	}
	ctx := faults.NewContext(journal.NewContext(r.Context(), call), s.options.Faults)
	answered := false
	defer func() {
		if !answered { // a fault's panic continues
			call.Status, call.ErrorCode = 0, journal.NoAnswer
		}
		if s.options.Record != nil {
			call.Duration = s.options.Now().Sub(call.Time)
			s.options.Record(*call)
		}
	}()
	s.answer(w, r.WithContext(ctx), source, call)
	answered = true
}

func operation(path string) string {
	_, rest, known := version(path)
	if known && rest == tokenPath {
		return getToken
	}
	if role, ok := strings.CutPrefix(rest, credentialsFolder+"/"); known && ok && role != "" {
		return getCredentials
	}
	return getMetadata
}

// refusal is an answer that is not a value.
type refusal struct {
	status int
	// code is for the journal; "" stands for the status' text.
	code string
}

// answer applies the faults first, like every service.
func (s *Service) answer(w http.ResponseWriter, r *http.Request, source netip.Addr, call *journal.Call) {
	w.Header().Set("Server", "EC2ws")
	var value string
	var refused *refusal
	if !source.IsValid() {
		// Tokens are bound to addresses, so a caller with an unknown address gets none.
		refused = &refusal{status: http.StatusForbidden}
	} else if err := faults.At(r.Context(), faults.Target{Operation: call.Operation}); err != nil {
		refused = ofFault(err)
	} else if known := s.known(source); known.Disabled {
		// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html, "Query errors".
		refused = &refusal{status: http.StatusForbidden}
	} else if call.Operation == getToken {
		value, refused = s.serveToken(w, r, source)
	} else {
		value, refused = s.serveMetadata(w, r, place{source, known})
	}
	if refused != nil {
		call.Status, call.ErrorCode = refused.status, refused.code
		if call.ErrorCode == "" {
			call.ErrorCode = strings.ReplaceAll(http.StatusText(refused.status), " ", "")
		}
		writeRefusal(w, refused.status)
		return
	}
	call.Status = http.StatusOK
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", strconv.Itoa(len(value)))
	_, _ = w.Write([]byte(value)) // a client that closed the connection needs no answer
}

// serveMetadata checks the method and the session token, and looks up the path.
func (s *Service) serveMetadata(w http.ResponseWriter, r *http.Request, at place) (string, *refusal) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return "", &refusal{status: http.StatusMethodNotAllowed}
	}
	v1 := false
	switch tokens := r.Header.Values(tokenHeader); {
	case len(tokens) == 0 && s.V1Enabled():
		v1 = true
	case len(tokens) != 1:
		return "", &refusal{status: http.StatusUnauthorized}
	default:
		left, ok := s.checkToken(tokens[0], at.address)
		if !ok {
			return "", &refusal{status: http.StatusUnauthorized}
		}
		w.Header().Set(ttlHeader, strconv.Itoa(int(left.Seconds())))
	}
	return s.lookUp(r.Context(), r.URL.Path, s.instance(at), v1)
}

// known returns what EC2 knows of the instance at an address.
func (s *Service) known(source netip.Addr) Known {
	if s.options.Known == nil {
		return Known{}
	}
	return s.options.Known(source)
}

// instance returns the instance at a place.
func (s *Service) instance(at place) *instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.instances.Get(at)
	if !ok {
		i = s.newInstance(at)
		s.instances.Add(at, i)
	}
	return i
}

// Role issues credentials for instances.
type Role interface {
	// InstanceCredentials returns new credentials whose session name is the instance's ID. It fails with ErrNotTrusted if
	// EC2 may not assume the role.
	InstanceCredentials(ctx context.Context, to Delivery) (Credentials, error)
}

// Delivery says where credentials of a role are delivered. EC2 adds it to requests with these credentials as condition keys
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).
type Delivery struct {
	// InstanceID is the instance's ID, VPC the ID of its VPC, and PrivateIP its private IPv4 address; "" for an instance
	// without one.
	InstanceID, VPC, PrivateIP string
	// RoleARN is the ARN of the instance's role; "" stands for the role of instances that EC2 does not know.
	RoleARN string
	// V1 says that the request for them had no session token.
	V1 bool
}
