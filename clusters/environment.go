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

// Capability is something that only some environments can do. A spec declares its needs.
type Capability string

const (
	// EmulatorControl: the AWS side has epi's control API (faults, call journal, hop limit).
	EmulatorControl Capability = "emulator-control"
	// HostNetworkPods: pods on the host network may be created (not on Fargate).
	HostNetworkPods Capability = "host-network-pods"
	// IMDS: nodes have an instance metadata service.
	IMDS Capability = "imds"
	// SecondAccount: there is another AWS account, with roles that associations can target.
	SecondAccount Capability = "second-account"
	// WebhookInCluster: the webhook runs in the cluster, behind a Service for the API server. On EKS it runs beside the API
	// server, where users cannot reach it.
	WebhookInCluster Capability = "webhook-in-cluster"
)

// Environment is a running environment, for specs and commands. It is stored as JSON in the state directory. Only its owner
// can read it, because it has credentials.
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
	// RedirectAWS: see Spec.
	RedirectAWS  bool         `json:"redirectAWS,omitempty"`
	Engine       string       `json:"engine,omitempty"`
	Capabilities []Capability `json:"capabilities"`
	Subjects     []Subject    `json:"subjects"`
	// ProbeImage runs in test pods.
	ProbeImage string `json:"probeImage"`
	// Clients are the AWS clients of the client matrix in this environment.
	Clients []Client `json:"clients,omitempty"`
	AWS     AWS      `json:"aws"`
	// OwnCluster says that the cluster in AWS was created for the environment, and is removed with it.
	OwnCluster bool `json:"ownCluster,omitempty"`
	// Expires is the time from which a sweeper may remove what is in AWS; zero for an environment without resources there.
	Expires time.Time `json:"expires,omitzero"`
	// PermissionsBoundary is the ARN of the permissions boundary of created roles; empty for none.
	PermissionsBoundary string `json:"permissionsBoundary,omitempty"`
	// Journal is the file about what is created in AWS; empty if AWS is removed with the environment.
	Journal string `json:"journal,omitempty"`
	// SecondAccount is set with the capability of that name.
	SecondAccount *Account `json:"secondAccount,omitempty"`
	// Control is set if the AWS side has epi's control API.
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
	// Absent says that the subject was left out intentionally.
	Absent bool `json:"absent,omitempty"`
	// Product and Version are what package recognition found; empty if it found nothing.
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
	// Compat is the product that a reference imitates: see Spec.Compat.
	Compat Compat `json:"compat,omitempty"`
}

// Client is an AWS client, one version of one SDK, in an environment.
type Client struct {
	// Name such as "go-v1@1.55.8".
	Name string `json:"name"`
	// SDK is its full name.
	SDK string `json:"sdk"`
	// Version is its version. Floor is the first version with Pod Identity.
	Version string `json:"version,omitempty"`
	Floor   string `json:"floor"`
	// Source is the document about the floor.
	Source string `json:"source"`
	// TooOld says that the version is below the floor.
	TooOld bool `json:"tooOld,omitempty"`
	// Image is its image, with the digest; empty for the probe's.
	Image  string `json:"image,omitempty"`
	Digest string `json:"digest,omitempty"`
	// CommandImage is an image for people, such as the AWS CLI's, which starts the client's command; empty for none.
	CommandImage string `json:"commandImage,omitempty"`
	// Program is the command in the image. An operation is appended to it.
	Program []string `json:"program"`
	// Limits are requirements, by ID, that it is known not to hold, with its actual behaviour.
	Limits map[string]string `json:"limits,omitempty"`
	// Missing says why the environment lacks it although it was requested.
	Missing string `json:"missing,omitempty"`
}

// ClientCapability says that an environment has an AWS client at or above its floor. OldClientCapability says that it has
// one below. For a version that Debian chose, only the environment knows which one applies.
func ClientCapability(name string) Capability { return Capability("client-" + name) }

// OldClientCapability: see ClientCapability.
func OldClientCapability(name string) Capability { return Capability("old-client-" + name) }

// IsClient says whether c is one of the two.
func (c Capability) IsClient() bool {
	return strings.HasPrefix(strings.TrimPrefix(string(c), "old-"), "client-")
}

// Lacks says in a sentence why the environment cannot do everything in the list; "" if it can.
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
	// The text is the same for each, so that a report shows it once.
	return "the client is not in the environment; to have all: epi up --clients all"
}

// AWS has the endpoints of AWS. On real AWS they are empty.
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
	// AdministratorRole is the name of a role with all permissions in the account. The environment's own account may assume
	// it, as in an organisation:
	// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_access.html.
	AdministratorRole string `json:"administratorRole"`
}

// Control has the address of the emulator's control API, for clients on this machine.
type Control struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// Has says whether the environment can do c.
func (e *Environment) Has(c Capability) bool { return slices.Contains(e.Capabilities, c) }

// ErrNoEnvironment is returned by LoadEnvironment if no environment of that name is up.
var ErrNoEnvironment = errors.New("no such environment")

// SaveEnvironment writes env below dirs, in one step and readable by its owner only.
func SaveEnvironment(dirs Dirs, env *Environment) error {
	if _, err := MakeEnvironmentDir(dirs, env.Name, env.Provider); err != nil {
		return err
	}
	root, _, err := openEnvironment(dirs, env.Name)
	if err != nil {
		return fmt.Errorf("save environment %s: %w", env.Name, err)
	}
	defer func() { _ = root.Close() }() // the file is closed by then
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

// LoadEnvironment reads what SaveEnvironment wrote. It returns ErrNoEnvironment if there is nothing, and a *NameError if
// name is invalid. It refuses, with an *EnvironmentError, a record for another name or of another provider than the
// folder's, and one that is incomplete or lacks what its capabilities need. If the folder has a kubeconfig, it is the
// environment's, for any content of the record.
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
	if env.Journal != "" { // the same
		env.Journal = filepath.Join(root.Name(), JournalFile)
	}
	return &env, nil
}

// check returns the reason why a record is not that of an environment of a name and a provider. An empty provider is
// unknown.
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

// mostRecord is the size of the largest record that is read, in bytes. A record has a few kilobytes.
const mostRecord = 16 << 20

// readOwn reads a file in a folder of epi's own. The file must not be a link or a pipe.
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

// decode reads JSON into value. Its errors describe the problem of the text without terms of Go.
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
