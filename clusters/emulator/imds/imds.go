// Package imds serves the EC2 instance metadata service, version 2 only: session tokens are
// required, and the response hop limit is a real IP TTL
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html).
// Every source address is an instance of its own.
package imds

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	maxTokenTTL = 21600 // seconds
	// renewBefore is when an instance gets new credentials: well ahead of the five minutes that EC2
	// promises, because SDKs and the agent renew ahead of time as well.
	renewBefore = time.Hour
)

// Credentials of the instance's role.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expiration                                 time.Time
}

// Role gives instances their credentials.
type Role interface {
	// InstanceCredentials returns new credentials whose session name is the instance's ID.
	InstanceCredentials(ctx context.Context, instanceID string) (Credentials, error)
}

// Options of a Service.
type Options struct {
	// Region such as "us-west-2", Account of twelve digits.
	Region, Account string
	// RoleName is the name of the instances' role.
	RoleName string
	Role     Role
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log gets a line for each failure to make credentials; nil discards.
	Log *slog.Logger
}

// Service serves the metadata. It is safe for concurrent use.
type Service struct {
	options Options
	started time.Time
	key     []byte

	mu        sync.Mutex
	instances map[string]*instance
}

// instance is what one source address gets.
type instance struct {
	mu          sync.Mutex
	credentials Credentials
	updated     time.Time
}

// New makes a service.
func New(options Options) *Service {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{options: options, started: options.Now(), key: make([]byte, 32), instances: map[string]*instance{}}
	// crypto/rand.Read never fails.
	_, _ = rand.Read(s.key)
	return s
}

// InstanceID is the ID of the instance at a source address: "i-" and 17 hexadecimal digits.
func InstanceID(sourceIP string) string {
	sum := sha256.Sum256([]byte(sourceIP))
	return "i-" + hex.EncodeToString(sum[:])[:17]
}

// ServeHTTP answers a request of the instance at the request's remote address.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	w.Header().Set("Server", "EC2ws")
	w.Header().Set("Content-Type", "text/plain")
	if r.URL.Path == "/latest/api/token" {
		s.serveToken(w, r, ip)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		status(w, http.StatusMethodNotAllowed)
		return
	}
	left, ok := s.checkToken(r.Header.Get(tokenHeader), ip)
	if !ok {
		status(w, http.StatusUnauthorized)
		return
	}
	w.Header().Set(ttlHeader, strconv.Itoa(int(left.Seconds())))
	s.serveMetadata(w, r, ip)
}

func status(w http.ResponseWriter, code int) {
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, "%d - %s\n", code, http.StatusText(code)) // a gone client needs no answer
}

// serveToken gives session tokens. A request that passed a proxy gets none: a proxy open to the
// world must not give the instance's credentials away.
func (s *Service) serveToken(w http.ResponseWriter, r *http.Request, ip string) {
	if r.Method != http.MethodPut {
		status(w, http.StatusMethodNotAllowed)
		return
	}
	if len(r.Header.Values("X-Forwarded-For")) > 0 {
		status(w, http.StatusForbidden)
		return
	}
	seconds, err := strconv.Atoi(r.Header.Get(ttlHeader))
	if err != nil || seconds < 1 || seconds > maxTokenTTL {
		status(w, http.StatusBadRequest)
		return
	}
	w.Header().Set(ttlHeader, strconv.Itoa(seconds))
	_, _ = w.Write([]byte(s.newToken(s.options.Now().Add(time.Duration(seconds)*time.Second), ip)))
}

// newToken makes a token that needs no memory: its expiry and an authentication code over expiry
// and address, so that a token taken to another instance is worthless there, as on EC2.
func (s *Service) newToken(expiry time.Time, ip string) string {
	stamp := binary.BigEndian.AppendUint64(nil, uint64(expiry.UnixMilli()))
	return base64.URLEncoding.EncodeToString(append(stamp, s.authenticate(stamp, ip)...))
}

func (s *Service) authenticate(stamp []byte, ip string) []byte {
	code := hmac.New(sha256.New, s.key)
	code.Write(stamp)
	code.Write([]byte(ip))
	return code.Sum(nil)
}

// checkToken returns how long the token is still good.
func (s *Service) checkToken(token, ip string) (left time.Duration, ok bool) {
	data, err := base64.URLEncoding.DecodeString(token)
	if err != nil || len(data) != 8+sha256.Size {
		return 0, false
	}
	if subtle.ConstantTimeCompare(data[8:], s.authenticate(data[:8], ip)) != 1 {
		return 0, false
	}
	left = time.UnixMilli(int64(binary.BigEndian.Uint64(data))).Sub(s.options.Now())
	return left, left > 0
}

// serveMetadata answers with a value, or with the names below a path: those of folders end in "/".
func (s *Service) serveMetadata(w http.ResponseWriter, r *http.Request, ip string) {
	zone := s.options.Region + "a"
	values := map[string]func(context.Context) (string, error){
		"meta-data/iam/security-credentials/" + s.options.RoleName: func(ctx context.Context) (string, error) { return s.roleCredentials(ctx, ip) },
		"meta-data/instance-id":                 func(context.Context) (string, error) { return InstanceID(ip), nil },
		"meta-data/local-ipv4":                  func(context.Context) (string, error) { return ip, nil },
		"meta-data/placement/availability-zone": func(context.Context) (string, error) { return zone, nil },
		"meta-data/placement/region":            func(context.Context) (string, error) { return s.options.Region, nil },
		"dynamic/instance-identity/document":    func(context.Context) (string, error) { return s.document(ip, zone) },
	}
	name, ok := strings.CutPrefix(r.URL.Path+"/", "/latest/")
	name = strings.TrimSuffix(name, "/")
	if !ok {
		status(w, http.StatusNotFound)
		return
	}
	if value, ok := values[name]; ok {
		text, err := value(r.Context())
		if err != nil {
			s.options.Log.ErrorContext(r.Context(), "instance metadata", "path", r.URL.Path, "error", err)
			status(w, http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(text))
		return
	}
	names := below(values, strings.TrimSuffix(name, "/"))
	if len(names) == 0 {
		status(w, http.StatusNotFound)
		return
	}
	_, _ = w.Write([]byte(strings.Join(names, "\n")))
}

// below lists the next path elements under folder, sorted.
func below[V any](values map[string]V, folder string) []string {
	var names []string
	for path := range values {
		rest := path
		if folder != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(path, folder+"/"); !ok {
				continue
			}
		}
		name, _, nested := strings.Cut(rest, "/")
		if nested {
			name += "/"
		}
		// The roles under security-credentials are names, and EC2 lists them as such.
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// roleCredentials are made on the first request and again before they expire.
func (s *Service) roleCredentials(ctx context.Context, ip string) (string, error) {
	s.mu.Lock()
	who, ok := s.instances[ip]
	if !ok {
		who = &instance{}
		s.instances[ip] = who
	}
	s.mu.Unlock()

	who.mu.Lock()
	defer who.mu.Unlock()
	now := s.options.Now()
	if who.credentials.Expiration.Sub(now) < renewBefore {
		made, err := s.options.Role.InstanceCredentials(ctx, InstanceID(ip))
		if err != nil {
			return "", fmt.Errorf("make credentials of %s: %w", InstanceID(ip), err)
		}
		who.credentials, who.updated = made, now
	}
	return encode(map[string]any{
		"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": who.updated.UTC().Format(time.RFC3339),
		"AccessKeyId": who.credentials.AccessKeyID, "SecretAccessKey": who.credentials.SecretAccessKey,
		"Token": who.credentials.SessionToken, "Expiration": who.credentials.Expiration.UTC().Format(time.RFC3339),
	})
}

// architectures are EC2's names of Go's.
var architectures = map[string]string{"amd64": "x86_64", "arm64": "arm64"}

// document is the instance identity document, with what is known of the instance.
func (s *Service) document(ip, zone string) (string, error) {
	return encode(map[string]any{
		"accountId": s.options.Account, "architecture": architectures[runtime.GOARCH], "availabilityZone": zone,
		"instanceId": InstanceID(ip), "pendingTime": s.started.UTC().Format(time.RFC3339), "privateIp": ip,
		"region": s.options.Region, "version": "2017-09-30",
	})
}

func encode(v any) (string, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	return string(data), err
}
