package imds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	awsimds "github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
)

type role struct {
	now  *time.Time
	made []string
	// deliveries are the arguments of the calls that made credentials.
	deliveries []Delivery
	err        error
}

func (r *role) InstanceCredentials(_ context.Context, to Delivery) (Credentials, error) {
	r.made, r.deliveries = append(r.made, to.InstanceID), append(r.deliveries, to)
	return Credentials{
		AccessKeyID: fmt.Sprint("ASIA", len(r.made)), SecretAccessKey: "secret", SessionToken: "session", Expiration: r.now.Add(6 * time.Hour),
	}, r.err
}

func newService(t testing.TB, change ...func(*Options)) (*Service, *role, *time.Time) {
	t.Helper()
	now := time.Now().Truncate(time.Second)
	r := &role{now: &now}
	options := Options{Region: "us-west-2", Account: "123456789012", RoleName: "epi-node", Role: r, Now: func() time.Time { return now }}
	for _, f := range change {
		f(&options)
	}
	return New(options), r, &now
}

func send(s *Service, method, path, from string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = path
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(from), 40000).String()
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func setV1(t *testing.T, s *Service, enabled bool) {
	t.Helper()
	if err := s.SetV1Enabled(enabled); err != nil || s.V1Enabled() != enabled {
		t.Fatal(err)
	}
}

func token(t testing.TB, s *Service, from string) string {
	t.Helper()
	w := send(s, http.MethodPut, "/latest/api/token", from, ttlHeader, "60")
	if w.Code != http.StatusOK || w.Header().Get(ttlHeader) != "60" {
		t.Fatalf("PUT token: %d %v", w.Code, w.Header())
	}
	return w.Body.String()
}

// Rows: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html
func TestTokenRequests(t *testing.T) {
	s, _, _ := newService(t)
	tests := []struct {
		name, method string
		headers      []string
		want         int
	}{
		{"shortest", "PUT", []string{ttlHeader, "1"}, 200},
		{"longest", "PUT", []string{ttlHeader, "21600"}, 200},
		{"zero", "PUT", []string{ttlHeader, "0"}, 400},
		{"too long", "PUT", []string{ttlHeader, "21601"}, 400},
		{"overflow", "PUT", []string{ttlHeader, "9223372036854775808"}, 400},
		{"negative", "PUT", []string{ttlHeader, "-1"}, 400},
		{"signed", "PUT", []string{ttlHeader, "+60"}, 400},
		{"no number", "PUT", []string{ttlHeader, "x"}, 400},
		{"a fraction", "PUT", []string{ttlHeader, "1.5"}, 400},
		{"empty", "PUT", []string{ttlHeader, ""}, 400},
		{"no TTL", "PUT", nil, 400},
		{"two TTLs", "PUT", []string{ttlHeader, "60", ttlHeader, "60"}, 400},
		{"IMDS-05 through a proxy", "PUT", []string{ttlHeader, "60", "X-Forwarded-For", "10.0.0.1"}, 403},
		{"through a proxy that hides itself", "PUT", []string{ttlHeader, "60", "X-Forwarded-For", ""}, 403},
		{"GET", "GET", []string{ttlHeader, "60"}, 405},
		{"POST", "POST", []string{ttlHeader, "60"}, 405},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := send(s, test.method, "/latest/api/token", "10.0.0.2", test.headers...)
			if w.Code != test.want {
				t.Errorf("got %d", w.Code)
			}
			if w.Code != 200 && (w.Header().Get("Content-Type") != "text/html" || !strings.Contains(w.Body.String(), fmt.Sprintf("<h1>%d - %s</h1>", test.want, http.StatusText(test.want)))) {
				t.Errorf("got %v %s", w.Header(), w.Body)
			}
		})
	}
	// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html, considerations
	if w := send(s, "PUT", "/2021-03-23/api/token", "10.0.0.2", ttlHeader, "60"); w.Code != 403 {
		t.Errorf("a dated version: %d", w.Code)
	}
	if w := send(s, "PUT", "/tomorrow/api/token", "10.0.0.2", ttlHeader, "60"); w.Code != 405 {
		t.Errorf("no version: %d", w.Code)
	}
}

func TestTokenIsRequired(t *testing.T) {
	s, _, now := newService(t)
	good := token(t, s, "10.0.0.2")
	const path = "/latest/meta-data/instance-id"
	tests := []struct {
		name, from string
		tokens     []string
		// v1 is the answer with IMDSv1 on. It differs only for a request without any token.
		want, v1 int
	}{
		{"IMDS-01 none", "10.0.0.2", nil, 401, 200},
		{"good", "10.0.0.2", []string{tokenHeader, good}, 200, 200},
		{"good, of the address in IPv6", "::ffff:10.0.0.2", []string{tokenHeader, good}, 200, 200},
		{"another instance's", "10.0.0.3", []string{tokenHeader, good}, 401, 401},
		{"altered", "10.0.0.2", []string{tokenHeader, "B" + good[1:]}, 401, 401},
		{"with another end", "10.0.0.2", []string{tokenHeader, good[:len(good)-2] + string(good[len(good)-2]^1) + "="}, 401, 401},
		{"with a line break", "10.0.0.2", []string{tokenHeader, good[:4] + "\n" + good[4:]}, 401, 401},
		{"cut", "10.0.0.2", []string{tokenHeader, good[:20]}, 401, 401},
		{"garbage", "10.0.0.2", []string{tokenHeader, "!"}, 401, 401},
		{"empty", "10.0.0.2", []string{tokenHeader, ""}, 401, 401},
		{"two", "10.0.0.2", []string{tokenHeader, good, tokenHeader, good}, 401, 401},
		{"another service's", "10.0.0.2", []string{tokenHeader, New(Options{}).newToken(now.Add(time.Hour), netip.MustParseAddr("10.0.0.2"))}, 401, 401},
	}
	for _, test := range tests {
		for v1, want := range map[bool]int{false: test.want, true: test.v1} {
			setV1(t, s, v1)
			if code := send(s, http.MethodGet, path, test.from, test.tokens...).Code; code != want {
				t.Errorf("%s, IMDSv1 %v: got %d, want %d", test.name, v1, code, want)
			}
		}
	}
	setV1(t, s, false)
	*now = now.Add(59 * time.Second)
	if w := send(s, http.MethodGet, path, "10.0.0.2", tokenHeader, good); w.Code != 200 || w.Header().Get(ttlHeader) != "1" {
		t.Errorf("a second before its end: %d, TTL %s", w.Code, w.Header().Get(ttlHeader))
	}
	*now = now.Add(time.Second)
	if code := send(s, http.MethodGet, path, "10.0.0.2", tokenHeader, good).Code; code != 401 {
		t.Errorf("after its end: %d", code)
	}
}

func TestV1(t *testing.T) {
	s, _, _ := newService(t, func(o *Options) { o.V1 = true })
	if w := send(s, http.MethodGet, "/latest/meta-data/iam/security-credentials/epi-node", "10.0.0.2"); !s.V1Enabled() || w.Code != 200 || w.Header().Get(ttlHeader) != "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	setV1(t, s, false)
	if w := send(s, http.MethodGet, "/latest/meta-data/", "10.0.0.2"); s.V1Enabled() || w.Code != 401 {
		t.Errorf("turned off: %d", w.Code)
	}
}

func TestAddressThatCannotBeRead(t *testing.T) {
	s, _, _ := newService(t, func(o *Options) { o.V1 = true })
	r := httptest.NewRequest(http.MethodGet, "/latest/meta-data/", nil)
	r.RemoteAddr = "@"
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Code != 403 {
		t.Errorf("got %d", w.Code)
	}
}

// Names: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
func TestPaths(t *testing.T) {
	s, _, _ := newService(t)
	id, mac := InstanceID("10.0.0.2"), macOf("10.0.0.2")
	macs := "/latest/meta-data/network/interfaces/macs/"
	tests := []struct {
		path, want string // "" for 404
	}{
		{"/", strings.Join(versions, "\n")},
		{"/latest", "dynamic\nmeta-data"},
		{"/latest/", "dynamic\nmeta-data"},
		{"/2021-03-23/", "dynamic\nmeta-data"},
		{"/2021-03-23/meta-data/instance-id", id},
		{"/1.0/meta-data/local-ipv4", "10.0.0.2"},
		{"/latest/dynamic/", "instance-identity/"},
		{"/latest/dynamic/instance-identity/", "document"},
		{"/latest/meta-data/", "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nhostname\niam/\ninstance-action\ninstance-id\n" +
			"instance-life-cycle\ninstance-type\nlocal-hostname\nlocal-ipv4\nmac\nnetwork/\nplacement/\nprofile\nreservation-id\nsecurity-groups\nservices/"},
		{"/latest/meta-data/iam/", "info\nsecurity-credentials/"},
		{"/latest/meta-data/iam/security-credentials/", "epi-node"},
		{"/latest/meta-data/iam/security-credentials", "epi-node"},
		{"/latest/meta-data/instance-id", id},
		{"/latest/meta-data/instance-id/", id},
		{"/latest/meta-data/local-ipv4", "10.0.0.2"},
		{"/latest/meta-data/hostname", "ip-10-0-0-2.us-west-2.compute.internal"},
		{"/latest/meta-data/local-hostname", "ip-10-0-0-2.us-west-2.compute.internal"},
		{"/latest/meta-data/mac", mac},
		{"/latest/meta-data/placement/", "availability-zone\navailability-zone-id\nregion"},
		{"/latest/meta-data/placement/region", "us-west-2"},
		{"/latest/meta-data/placement/availability-zone", "us-west-2a"},
		{"/latest/meta-data/placement/availability-zone-id", "usw2-az1"},
		{"/latest/meta-data/services/", "domain\npartition"},
		{"/latest/meta-data/services/domain", "amazonaws.com"},
		{"/latest/meta-data/services/partition", "aws"},
		{macs, mac + "/"},
		{macs + mac + "/", "device-number\ninterface-id\nlocal-hostname\nlocal-ipv4s\nmac\nowner-id\nsecurity-group-ids\nsecurity-groups\n" +
			"subnet-id\nsubnet-ipv4-cidr-block\nvpc-id\nvpc-ipv4-cidr-block\nvpc-ipv4-cidr-blocks"},
		{macs + mac + "/device-number", "0"},
		{macs + mac + "/local-ipv4s", "10.0.0.2"},
		{macs + mac + "/owner-id", "123456789012"},
		{macs + mac + "/subnet-ipv4-cidr-block", "10.0.0.0/20"},
		{macs + mac + "/vpc-ipv4-cidr-block", "10.0.0.0/16"},
		{macs + "0a:00:00:00:00:00/device-number", ""},
		{"/latest/meta-data/public-ipv4", ""},
		{"/latest/meta-data/ipv6", ""},
		{"/latest/meta-data/iam/security-credentials/other", ""},
		{"/latest/meta-data/iam/security-credentials/epi-node/x", ""},
		{"/latest/meta-data/iam-eks-1/info", ""}, // IMDS-06: reserved
		{"/latest/meta-data/spot/instance-action", ""},
		{"/latest/user-data", ""},
		{"/latest/meta-data/instance-id/x", ""},
		{"/latest/meta-data//instance-id", ""},
		{"/latest//", ""},
		{"//latest/", ""},
		{"/latest/meta-data/../meta-data/instance-id", ""},
		{"/2099-01-01/meta-data/", ""},
		{"/api/token", ""},
	}
	good := token(t, s, "10.0.0.2")
	for _, test := range tests {
		w := send(s, http.MethodGet, test.path, "10.0.0.2", tokenHeader, good)
		switch {
		case test.want == "" && (w.Code != 404 || !strings.Contains(w.Body.String(), "<h1>404 - Not Found</h1>")),
			test.want != "" && (w.Code != 200 || w.Body.String() != test.want || w.Header().Get("Content-Type") != "text/plain"):
			t.Errorf("%s: got %d %q", test.path, w.Code, w.Body)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		if w := send(s, method, "/latest/meta-data/instance-id", "10.0.0.2", tokenHeader, good); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
}

// Every name in a listing can be read, down to the values.
func TestListingsAreTrue(t *testing.T) {
	for _, from := range []string{"10.0.0.2", "fd00:1:2:3::4"} {
		s, _, _ := newService(t)
		good := token(t, s, from)
		leaves := 0
		var walk func(path string)
		walk = func(path string) {
			w := send(s, http.MethodGet, path, from, tokenHeader, good)
			if w.Code != 200 || w.Body.Len() == 0 {
				t.Errorf("%s: %d %q", path, w.Code, w.Body)
				return
			}
			if !strings.HasSuffix(path, "/") {
				leaves++
				return
			}
			for name := range strings.SplitSeq(w.Body.String(), "\n") {
				walk(path + name)
			}
		}
		walk("/latest/dynamic/")
		walk("/latest/meta-data/")
		if leaves < 30 {
			t.Errorf("%d leaves", leaves)
		}
	}
}

func TestIPv6Instance(t *testing.T) {
	s, _, _ := newService(t)
	const from = "fd00:1:2:3::4"
	good := token(t, s, from)
	macs := "/latest/meta-data/network/interfaces/macs/" + macOf(from) + "/"
	for path, want := range map[string]string{
		"/latest/meta-data/ipv6":           from,
		"/latest/meta-data/local-hostname": InstanceID(from) + ".us-west-2.compute.internal",
		macs + "ipv6s":                     from,
		macs + "subnet-ipv6-cidr-blocks":   "fd00:1:2:3::/64",
		macs + "vpc-ipv6-cidr-blocks":      "fd00:1:2::/56",
	} {
		if w := send(s, http.MethodGet, path, from, tokenHeader, good); w.Body.String() != want {
			t.Errorf("%s: got %s", path, w.Body)
		}
	}
	if w := send(s, http.MethodGet, "/latest/meta-data/local-ipv4", from, tokenHeader, good); w.Code != 404 {
		t.Errorf("an IPv4 address: %s", w.Body)
	}
}

func TestRegions(t *testing.T) {
	tests := []struct{ region, zoneID, partition, domain, host string }{
		{"us-east-1", "use1-az1", "aws", "amazonaws.com", "ec2.internal"},
		{"ap-southeast-2", "apse2-az1", "aws", "amazonaws.com", "ap-southeast-2.compute.internal"},
		{"ap-northeast-1", "apne1-az1", "aws", "amazonaws.com", "ap-northeast-1.compute.internal"},
		{"eu-central-1", "euc1-az1", "aws", "amazonaws.com", "eu-central-1.compute.internal"},
		{"us-gov-west-1", "usgw1-az1", "aws-us-gov", "amazonaws.com", "us-gov-west-1.compute.internal"},
		{"cn-north-1", "cnn1-az1", "aws-cn", "amazonaws.com.cn", "cn-north-1.compute.internal"},
	}
	for _, test := range tests {
		if got := zoneID(test.region); got != test.zoneID {
			t.Errorf("zone ID of %s: %s", test.region, got)
		}
		if partition(test.region) != test.partition || domain(test.region) != test.domain || privateDomain(test.region) != test.host {
			t.Errorf("%s: %s, %s, %s", test.region, partition(test.region), domain(test.region), privateDomain(test.region))
		}
	}
}

// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/retrieve-iid.html
func TestIdentityDocument(t *testing.T) {
	s, _, _ := newService(t)
	id := InstanceID("10.0.0.2")
	if len(id) != 19 || id == InstanceID("10.0.0.3") {
		t.Errorf("instance ID %q", id)
	}
	var document map[string]any
	w := send(s, http.MethodGet, "/latest/dynamic/instance-identity/document", "10.0.0.2", tokenHeader, token(t, s, "10.0.0.2"))
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"region": "us-west-2", "instanceId": id, "accountId": "123456789012", "privateIp": "10.0.0.2",
		"availabilityZone": "us-west-2a", "version": "2017-09-30", "kernelId": nil,
	} {
		if got, ok := document[name]; !ok || got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func credentialsOf(t *testing.T, s *Service, from string) map[string]string {
	t.Helper()
	w := send(s, http.MethodGet, "/latest/meta-data/iam/security-credentials/epi-node", from, tokenHeader, token(t, s, from))
	var c map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return c
}

func TestCredentialsRotate(t *testing.T) {
	s, r, now := newService(t)
	key := func(from string) string {
		t.Helper()
		c := credentialsOf(t, s, from)
		if c["Code"] != "Success" || c["Type"] != "AWS-HMAC" || c["Token"] != "session" || c["SecretAccessKey"] != "secret" {
			t.Errorf("got %v", c)
		}
		// "at least five minutes before the expiration of the old credentials"
		if end, err := time.Parse(time.RFC3339, c["Expiration"]); err != nil || end.Sub(*now) < 5*time.Minute {
			t.Errorf("%v left, %v", end.Sub(*now), err)
		}
		return c["AccessKeyId"]
	}
	start := *now
	first := key("10.0.0.2")
	if other := key("10.0.0.3"); other == first {
		t.Error("two instances share credentials")
	}
	*now = now.Add(5 * time.Hour)
	if again := key("10.0.0.2"); again != first || credentialsOf(t, s, "10.0.0.2")["LastUpdated"] != stamp(start) {
		t.Error("rotated with an hour left")
	}
	*now = now.Add(time.Second)
	if again := key("10.0.0.2"); again == first || credentialsOf(t, s, "10.0.0.2")["LastUpdated"] != stamp(*now) {
		t.Error("not rotated with less than an hour left")
	}
	if want := []string{InstanceID("10.0.0.2"), InstanceID("10.0.0.3"), InstanceID("10.0.0.2")}; strings.Join(r.made, " ") != strings.Join(want, " ") {
		t.Errorf("made for %v, want %v", r.made, want)
	}
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html
func TestRoleThatIsGone(t *testing.T) {
	s, r, now := newService(t)
	first := credentialsOf(t, s, "10.0.0.2")
	r.err = fmt.Errorf("role epi-node: %w", ErrNotTrusted)
	*now = now.Add(5*time.Hour + time.Minute)
	if c := credentialsOf(t, s, "10.0.0.2"); c["AccessKeyId"] != first["AccessKeyId"] {
		t.Errorf("the old ones are good for an hour, got %v", c)
	}
	*now = now.Add(time.Hour)
	c := credentialsOf(t, s, "10.0.0.2")
	if c["Code"] != "AssumeRoleUnauthorizedAccess" || !strings.HasPrefix(c["Message"], "EC2 cannot assume the role epi-node.") || len(c) != 3 {
		t.Errorf("got %v", c)
	}
	r.err = errors.New("disk is full")
	w := send(s, http.MethodGet, "/latest/meta-data/iam/security-credentials/epi-node", "10.0.0.2", tokenHeader, token(t, s, "10.0.0.2"))
	if w.Code != 500 || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestInstancesAreBounded(t *testing.T) {
	s, r, _ := newService(t, func(o *Options) { o.V1 = true })
	address := netip.MustParseAddr("10.0.0.0")
	for range maxInstances + 10 {
		address = address.Next()
		send(s, http.MethodGet, "/latest/meta-data/iam/security-credentials/epi-node", address.String())
	}
	if n := s.instances.Len(); n != maxInstances || len(r.made) != maxInstances+10 {
		t.Errorf("%d are remembered, %d were made", n, len(r.made))
	}
}

func TestJournal(t *testing.T) {
	var calls []journal.Call
	s, _, _ := newService(t, func(o *Options) { o.Record = func(call journal.Call) { calls = append(calls, call) } })
	good := token(t, s, "10.0.0.2")
	const folder = "/latest/meta-data/iam/security-credentials/"
	send(s, http.MethodGet, folder+"epi-node", "10.0.0.2", tokenHeader, good)
	send(s, http.MethodGet, folder+"epi-node", "10.0.0.3", tokenHeader, good)
	send(s, http.MethodGet, folder, "10.0.0.2", tokenHeader, good)
	send(s, http.MethodGet, "/latest/nothing", "10.0.0.2", tokenHeader, good)
	want := []journal.Call{
		{Operation: "GetToken", Subject: "/latest/api/token", SourceIP: "10.0.0.2", Status: 200},
		{Operation: "GetCredentials", Subject: folder + "epi-node", SourceIP: "10.0.0.2", Status: 200},
		{Operation: "GetCredentials", Subject: folder + "epi-node", SourceIP: "10.0.0.3", Status: 401, ErrorCode: "Unauthorized"},
		{Operation: "GetMetadata", Subject: folder, SourceIP: "10.0.0.2", Status: 200},
		{Operation: "GetMetadata", Subject: "/latest/nothing", SourceIP: "10.0.0.2", Status: 404, ErrorCode: "NotFound"},
	}
	for i := range calls {
		if calls[i].Time.IsZero() || calls[i].Service != "imds" {
			t.Errorf("got %+v", calls[i])
		}
		calls[i].Time, calls[i].Service = time.Time{}, ""
	}
	if !slices.Equal(calls, want) {
		t.Errorf("got %+v", calls)
	}
}

func TestFaults(t *testing.T) {
	var calls []journal.Call
	set := faults.New(faults.Options{})
	s, _, _ := newService(t, func(o *Options) {
		o.Faults, o.V1, o.Record = set, true, func(call journal.Call) { calls = append(calls, call) }
	})
	for _, rule := range []faults.Rule{
		{Service: "imds", Operation: "GetToken", Error: &faults.Refusal{Kind: faults.Throttling}},
		{Service: "imds", Operation: "GetCredentials", Outage: &faults.Outage{}},
	} {
		if _, err := set.Add(rule); err != nil {
			t.Fatal(err)
		}
	}
	if w := send(s, http.MethodPut, "/latest/api/token", "10.0.0.2", ttlHeader, "60"); w.Code != 503 || !strings.Contains(w.Body.String(), "503 - Service Unavailable") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	func() {
		defer func() {
			if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				t.Errorf("the outage did not end the connection: %v", err)
			}
		}()
		send(s, http.MethodGet, "/latest/meta-data/iam/security-credentials/epi-node", "10.0.0.2")
	}()
	if w := send(s, http.MethodGet, "/latest/meta-data/instance-id", "10.0.0.2"); w.Code != 200 {
		t.Errorf("another operation: %d", w.Code)
	}
	var got []string
	for _, call := range calls {
		got = append(got, fmt.Sprint(call.Operation, " ", call.Status, " ", call.ErrorCode, " ", call.Fault))
	}
	if want := []string{"GetToken 503 Throttled fault-1", "GetCredentials 0 NoAnswer fault-2", "GetMetadata 200  "}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// The SDK that the agent uses works with it.
func TestSDK(t *testing.T) {
	s, r, now := newService(t)
	server := httptest.NewServer(s)
	defer server.Close()
	client, ctx := awsimds.New(awsimds.Options{Endpoint: server.URL, EnableFallback: 0}), t.Context()
	region, err := client.GetRegion(ctx, nil)
	if err != nil || region.Region != "us-west-2" {
		t.Errorf("region %v, %v", region, err)
	}
	document, err := client.GetInstanceIdentityDocument(ctx, nil)
	if err != nil || document.AccountID != "123456789012" || document.InstanceID != InstanceID("127.0.0.1") || document.PendingTime.IsZero() {
		t.Errorf("document %v, %v", document, err)
	}
	info, err := client.GetIAMInfo(ctx, nil)
	if err != nil || info.InstanceProfileArn != "arn:aws:iam::123456789012:instance-profile/epi-node" || len(info.InstanceProfileID) != 21 || info.LastUpdated.IsZero() {
		t.Errorf("info %+v, %v", info, err)
	}
	if _, err := client.GetUserData(ctx, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("user data: %v", err)
	}
	provider := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client })
	got, err := provider.Retrieve(ctx)
	if err != nil || got.AccessKeyID != "ASIA1" || got.SessionToken != "session" || !got.CanExpire {
		t.Errorf("credentials of %s, %v", got.AccessKeyID, err)
	}
	r.err = ErrNotTrusted
	*now = now.Add(7 * time.Hour)
	if _, err := provider.Retrieve(ctx); err == nil || !strings.Contains(err.Error(), "AssumeRoleUnauthorizedAccess") {
		t.Errorf("a role that is gone: %v", err)
	}
}

// TestDelivery: credentials say where they were delivered, and by which version of the service. Credentials of one version
// are not returned by the other.
func TestDelivery(t *testing.T) {
	s, role, _ := newService(t, func(o *Options) { o.V1 = true })
	const path = "/latest/meta-data/iam/security-credentials/epi-node"
	for range 2 {
		send(s, http.MethodGet, path, "10.0.0.2")
		credentialsOf(t, s, "10.0.0.2")
		credentialsOf(t, s, "fd00::2")
	}
	vpc := "vpc-" + hexID("vpc"+s.options.Region+s.options.Account)
	want := []Delivery{
		{InstanceID: InstanceID("10.0.0.2"), VPC: vpc, PrivateIP: "10.0.0.2", V1: true},
		{InstanceID: InstanceID("10.0.0.2"), VPC: vpc, PrivateIP: "10.0.0.2"},
		{InstanceID: InstanceID("fd00::2"), VPC: vpc},
	}
	if !slices.Equal(role.deliveries, want) {
		t.Errorf("got  %+v\nwant %+v", role.deliveries, want)
	}
}

// The metadata of an instance that EC2 knows have EC2's values. Another address gets none of them
func TestKnownInstances(t *testing.T) {
	profile := "arn:aws:iam::123456789012:instance-profile/eks-0123"
	known := map[string]Known{
		"10.0.0.2": {
			ID: "i-0123456789abcdef0", RoleARN: "arn:aws:iam::123456789012:role/path/NodeInstanceRole", ProfileARN: profile, ProfileID: "AIPAEXAMPLE", Type: "t3.medium",
			Zone: "us-west-2b", VPC: "vpc-1", Subnet: "subnet-1", Spot: true,
		},
		"10.0.0.3": {ID: "i-3", Disabled: true},
		"10.0.0.4": {WithoutRole: true},
	}
	s, made, now := newService(t, func(o *Options) { o.Known = func(address netip.Addr) Known { return known[address.String()] } })
	const credentials = "/latest/meta-data/iam/security-credentials/"
	ask := func(from, path string) (int, string) {
		w := send(s, http.MethodGet, path, from, tokenHeader, token(t, s, from))
		return w.Code, w.Body.String()
	}
	for path, want := range map[string]string{
		credentials: "NodeInstanceRole", "/latest/meta-data/instance-id": "i-0123456789abcdef0", "/latest/meta-data/instance-type": "t3.medium",
		"/latest/meta-data/instance-life-cycle": "spot", "/latest/meta-data/placement/availability-zone": "us-west-2b",
	} {
		if code, got := ask("10.0.0.2", path); code != 200 || got != want {
			t.Errorf("%s: %d %q, want %q", path, code, got, want)
		}
	}
	if code, got := ask("10.0.0.2", "/latest/meta-data/iam/info"); code != 200 || !strings.Contains(got, profile) || !strings.Contains(got, "AIPAEXAMPLE") {
		t.Errorf("%d %s", code, got)
	}
	for path, want := range map[string]int{credentials + "NodeInstanceRole": 200, credentials + "epi-node": 404} {
		if code, got := ask("10.0.0.2", path); code != want {
			t.Errorf("%s: %d %s", path, code, got)
		}
	}
	want := Delivery{InstanceID: "i-0123456789abcdef0", VPC: "vpc-1", PrivateIP: "10.0.0.2", RoleARN: "arn:aws:iam::123456789012:role/path/NodeInstanceRole"}
	if len(made.deliveries) != 1 || made.deliveries[0] != want {
		t.Errorf("delivered %+v", made.deliveries)
	}
	if w := send(s, http.MethodPut, "/latest/api/token", "10.0.0.3", ttlHeader, "60"); w.Code != http.StatusForbidden {
		t.Errorf("turned off: %d", w.Code)
	}
	for path, want := range map[string]int{credentials: 404, credentials + "epi-node": 404, "/latest/meta-data/iam/info": 404, "/latest/meta-data/instance-id": 200} {
		if code, got := ask("10.0.0.4", path); code != want {
			t.Errorf("without a role, %s: %d %s", path, code, got)
		}
	}
	if code, got := ask("10.0.0.5", credentials); code != 200 || got != "epi-node" {
		t.Errorf("not known: %d %s", code, got)
	}

	// Another instance at the address gets its own values.
	known["10.0.0.2"] = Known{ID: "i-2", RoleARN: "arn:aws:iam::123456789012:role/other"}
	*now = now.Add(time.Second)
	if code, got := ask("10.0.0.2", credentials); code != 200 || got != "other" {
		t.Errorf("the next one there: %d %s", code, got)
	}
}
