package clusters

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Capability is something only some environments can do; a spec declares what it needs.
type Capability string

const (
	// EmulatorControl: the AWS side has epi's control API (faults, call journal, hop limit).
	EmulatorControl Capability = "emulator-control"
	// HostNetworkPods: pods on the host network may be created (not on Fargate).
	HostNetworkPods Capability = "host-network-pods"
	// IMDS: nodes have an instance metadata service.
	IMDS Capability = "imds"
	// SecondAccount: there is another AWS account, whose roles associations may target.
	SecondAccount Capability = "second-account"
	// WebhookInCluster: the webhook runs in the cluster, behind a Service that the API server reaches
	// (on EKS it runs beside the API server, out of anyone's reach).
	WebhookInCluster Capability = "webhook-in-cluster"
)

// Environment is a running environment as specs and commands need to know it. It is stored as
// JSON in the state directory, readable by its owner only: it holds credentials.
type Environment struct {
	Provider string    `json:"provider"`
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	// ClusterName is the EKS name of the cluster: the value of the eks-cluster-name session tag.
	ClusterName       string `json:"clusterName"`
	ClusterARN        string `json:"clusterARN"`
	AccountID         string `json:"accountID"`
	Region            string `json:"region"`
	Kubeconfig        string `json:"kubeconfig"`
	KubernetesVersion string `json:"kubernetesVersion"`
	NodeImage         string `json:"nodeImage"`
	// NodeImageOrigin is "registry", "built" or "given".
	NodeImageOrigin string `json:"nodeImageOrigin"`
	Nodes           int    `json:"nodes"`
	// NodeRole is the name of the IAM role of the nodes.
	NodeRole     string `json:"nodeRole"`
	IMDSHopLimit int    `json:"imdsHopLimit"`
	// RedirectAWS see Spec.
	RedirectAWS  bool         `json:"redirectAWS,omitempty"`
	Engine       string       `json:"engine,omitempty"`
	Capabilities []Capability `json:"capabilities"`
	Subjects     []Subject    `json:"subjects"`
	// ProbeImage runs in test pods.
	ProbeImage string `json:"probeImage"`
	// Clients are the AWS clients that the client matrix runs here.
	Clients []Client `json:"clients,omitempty"`
	AWS     AWS      `json:"aws"`
	// OwnCluster says that the cluster in AWS was made for the environment, and goes with it.
	OwnCluster bool `json:"ownCluster,omitempty"`
	// Expires is when a sweeper may remove what is in AWS; zero for an environment that has nothing there.
	Expires time.Time `json:"expires,omitzero"`
	// PermissionsBoundary is the ARN of the policy that bounds roles which are made; empty for none.
	PermissionsBoundary string `json:"permissionsBoundary,omitempty"`
	// Journal is the file of what is made in AWS; empty where AWS goes with the environment.
	Journal string `json:"journal,omitempty"`
	// SecondAccount is set with the capability of that name.
	SecondAccount *Account `json:"secondAccount,omitempty"`
	// Control is set where the AWS side has epi's control API.
	Control *Control `json:"control,omitempty"`
}

// Subject is something under test: the agent or the webhook.
type Subject struct {
	// Role is "agent" or "webhook".
	Role  string `json:"role"`
	Image string `json:"image"`
	// Digest of the image's configuration or manifest, as "sha256:…"; empty if unknown.
	Digest string `json:"digest,omitempty"`
	// Reference distinguishes epi's own implementation from a given one.
	Reference bool `json:"reference"`
	// Absent says that the subject was left out on purpose.
	Absent bool `json:"absent,omitempty"`
	// Product and Version are what the subject was recognised as, see package recognition; empty if it was not.
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
	// Compat is the product that a reference imitates, see Spec.Compat.
	Compat Compat `json:"compat,omitempty"`
}

// Client is an AWS client, one version of one SDK, in an environment.
type Client struct {
	// Name such as "go-v1@1.55.8".
	Name string `json:"name"`
	// SDK is its name in full.
	SDK string `json:"sdk"`
	// Version it has, and Floor the first one that knows Pod Identity.
	Version string `json:"version,omitempty"`
	Floor   string `json:"floor"`
	// Source is the document that says so.
	Source string `json:"source"`
	// TooOld says that the version is below the floor.
	TooOld bool `json:"tooOld,omitempty"`
	// Image that it runs in, with its digest; empty for the probe's.
	Image  string `json:"image,omitempty"`
	Digest string `json:"digest,omitempty"`
	// CommandImage is an image for people, such as the AWS CLI's, which starts with the client's command;
	// empty for none.
	CommandImage string `json:"commandImage,omitempty"`
	// Program is the command in the image that an operation is added to.
	Program []string `json:"program"`
	// Limits are requirements, by ID, that it is known not to hold, with what it does instead.
	Limits map[string]string `json:"limits,omitempty"`
	// Missing says why the environment does not have it though it was asked for.
	Missing string `json:"missing,omitempty"`
}

// ClientCapability is that an environment has an AWS client at or above its floor, OldClientCapability
// that it has one below. Which of the two holds of a version that Debian chose, only the environment knows.
func ClientCapability(name string) Capability { return Capability("client-" + name) }

// OldClientCapability see ClientCapability.
func OldClientCapability(name string) Capability { return Capability("old-client-" + name) }

// IsClient says whether c is one of the two.
func (c Capability) IsClient() bool {
	return strings.HasPrefix(strings.TrimPrefix(string(c), "old-"), "client-")
}

// Lacks says in a sentence why the environment cannot do all of the list; "" if it can.
func (e *Environment) Lacks(list ...Capability) string {
	var things, reasons []string
	for _, c := range list {
		switch {
		case e.Has(c):
		case c.IsClient():
			reasons = append(reasons, e.lacksClient(strings.TrimPrefix(strings.TrimPrefix(string(c), "old-"), "client-")))
		default:
			things = append(things, string(c))
		}
	}
	if len(things) > 0 {
		reasons = append([]string{"the environment has no " + strings.Join(things, " and no ")}, reasons...)
	}
	return strings.Join(reasons, "; ")
}

func (e *Environment) lacksClient(name string) string {
	for _, client := range e.Clients {
		switch {
		case client.Name != name:
		case client.Missing != "":
			return "client " + name + " could not be made here: " + client.Missing
		case client.TooOld:
			return fmt.Sprintf("unsupported client: %s %s is older than %s, the first that knows Pod Identity", client.SDK, client.Version, client.Floor)
		default:
			return fmt.Sprintf("client %s is not too old: it is %s, and %s is the first that knows Pod Identity", name, client.Version, client.Floor)
		}
	}
	// The same words for every one, so that a report says them once.
	return "the client is not in the environment; to have all: epi up --clients all"
}

// AWS tells clients where AWS is. On real AWS the endpoints are empty.
type AWS struct {
	// EndpointURL for clients on the machine that runs epi.
	EndpointURL string `json:"endpointURL,omitempty"`
	// PodEndpointURL for clients in pods and on nodes.
	PodEndpointURL  string `json:"podEndpointURL,omitempty"`
	AccessKeyID     string `json:"accessKeyID,omitempty"`
	SecretAccessKey string `json:"secretAccessKey,omitempty"`
}

// Account is another AWS account.
type Account struct {
	ID string `json:"id"`
	// AdministratorRole is the name of a role that may do everything there, and that the
	// environment's own account may assume, as members of an organisation have one:
	// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_access.html.
	AdministratorRole string `json:"administratorRole"`
}

// Control says where the emulator's control API is, for clients on this machine.
type Control struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// Has reports whether the environment can do c.
func (e *Environment) Has(c Capability) bool { return slices.Contains(e.Capabilities, c) }

// ErrNoEnvironment is returned by LoadEnvironment when nothing of that name is up.
var ErrNoEnvironment = errors.New("no such environment")

// SaveEnvironment writes env under dirs, atomically, readable by its owner only.
func SaveEnvironment(dirs Dirs, env *Environment) error {
	if _, err := MakeEnvironmentDir(dirs, env.Name, env.Provider); err != nil {
		return err
	}
	root, _, err := openEnvironment(dirs, env.Name)
	if err != nil {
		return fmt.Errorf("save environment %s: %w", env.Name, err)
	}
	defer func() { _ = root.Close() }() // what is written is closed by then
	data, err := json.MarshalIndent(env, "", "  ")
	if err != nil {
		return fmt.Errorf("save environment %s: %w", env.Name, err)
	}
	if err := root.WriteFile(environmentFile+".new", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("save environment %s: %w", env.Name, err)
	}
	if err := root.Rename(environmentFile+".new", environmentFile); err != nil {
		return fmt.Errorf("save environment %s: %w", env.Name, err)
	}
	return nil
}

// LoadEnvironment reads what SaveEnvironment wrote; ErrNoEnvironment if there is nothing, a *NameError if
// name is none. What was written for another name or by another provider than the folder's is refused, as is a record
// that is cut off or lacks what its capabilities need, by an *EnvironmentError. Where the folder has a kubeconfig, that is the environment's, whatever the file says.
func LoadEnvironment(dirs Dirs, name string) (*Environment, error) {
	root, mark, err := openEnvironment(dirs, name)
	if err != nil {
		return nil, foreign("load environment "+name, err)
	}
	defer func() { _ = root.Close() }() // read only
	data, err := readOwn(root, environmentFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load environment %s: %w", name, ErrNoEnvironment)
	}
	var env Environment
	if err == nil {
		err = decode(data, &env)
	}
	if err == nil {
		err = env.check(name, mark.Provider)
	}
	if err != nil {
		return nil, &EnvironmentError{
			Doing:  fmt.Sprintf("read %s of environment %q", environmentFile, name),
			Remedy: "remove the environment with: epi down --name " + name, Err: err,
		}
	}
	if info, err := root.Lstat(kubeconfigFile); err == nil && info.Mode().IsRegular() {
		env.Kubeconfig = filepath.Join(root.Name(), kubeconfigFile)
	}
	if env.Journal != "" { // likewise
		env.Journal = filepath.Join(root.Name(), JournalFile)
	}
	return &env, nil
}

// check says what keeps a record from being that of the environment of a name and a provider. An empty provider
// is not known.
func (e *Environment) check(name, provider string) error {
	switch {
	case e.Name == "":
		return errors.New("it does not name its environment")
	case e.Name != name:
		return fmt.Errorf("it is of environment %q", e.Name)
	case provider != "" && e.Provider != provider:
		return fmt.Errorf("it is of provider %q, and the environment of %q", e.Provider, provider)
	case e.Control != nil && e.Control.URL == "", e.Has(EmulatorControl) && e.Control == nil:
		return errors.New("it does not say where the AWS emulator is")
	case e.Has(SecondAccount) && e.SecondAccount == nil:
		return errors.New("it does not say which the second AWS account is")
	}
	return nil
}

// mostRecord is the size of the largest record that is read, in bytes: one is a few kilobytes.
const mostRecord = 16 << 20

// readOwn reads a file in a folder of epi's own, which is no link and no pipe.
func readOwn(root *os.Root, name string) ([]byte, error) {
	info, err := root.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a file")
	case info.Size() > mostRecord:
		return nil, fmt.Errorf("it has %d bytes", info.Size())
	}
	return root.ReadFile(name)
}

// decode reads JSON into value. Its errors say what is wrong with the text, for people who do not know Go.
func decode(data []byte, value any) error {
	err := json.Unmarshal(data, value)
	syntax, isSyntax := errors.AsType[*json.SyntaxError](err)
	kind, isKind := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case err == nil:
		return nil
	case len(bytes.TrimSpace(data)) == 0:
		return errors.New("it is empty")
	case isSyntax && syntax.Offset >= int64(len(bytes.TrimSpace(data))):
		return errors.New("it is cut off")
	case isSyntax:
		return fmt.Errorf("it is not JSON, from byte %d on", syntax.Offset)
	case isKind && kind.Field == "":
		return fmt.Errorf("it is a JSON %s and not an object", kind.Value)
	case isKind:
		return fmt.Errorf("its field %s must not be a JSON %s", kind.Field, kind.Value)
	}
	return err
}
