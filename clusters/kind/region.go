package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/images"
	"github.com/podidentity/epi/clusters/internal/lockfile"
	"github.com/podidentity/epi/clusters/nodeimage"
)

// RegionName is the name of the provider of regions.
const RegionName = "cloud"

// RegionSpec asks for an AWS region on this machine.
type RegionSpec struct {
	// Name of the environment, Region such as "us-east-1".
	Name, Region string
	// KubernetesVersion, NodeImage and Agent are as in clusters.Spec.
	KubernetesVersion, NodeImage string
	Agent                        clusters.Given
	// PropagationDelay is how long changes in IAM take to count.
	PropagationDelay time.Duration
	Binaries         string
}

// Regions are AWS regions on this machine: an emulator whose EKS clusters are kind clusters. A process called the maker
// runs beside it and creates them.
type Regions struct{ dirs clusters.Dirs }

// NewRegions keeps the state of regions in dirs.
func NewRegions(dirs clusters.Dirs) *Regions { return &Regions{dirs: dirs} }

const (
	regionFile = "region.json"
	makerLock  = "maker.lock"
	// MakerLog is the log of a region's maker in the region's folder.
	MakerLog = "maker.log"
	// openHopLimit is the hop limit of the emulator's instance metadata. The nodes themselves apply the limit to their
	// pods.
	openHopLimit = 64

	timeoutMaker = 20 * time.Second
)

// regionRecord is what the maker of a region has to know. Only the owner can read its file.
type regionRecord struct {
	Name         string          `json:"name"`
	Region       string          `json:"region"`
	Binaries     string          `json:"binaries"`
	Node         nodeimage.Image `json:"node"`
	Agent        clusters.Given  `json:"agent"`
	AgentArchive string          `json:"agentArchive,omitempty"`
	EmulatorIP   string          `json:"emulatorIP"`
	ControlURL   string          `json:"controlURL"`
	ControlToken string          `json:"controlToken"`
	SyncToken    string          `json:"syncToken"`
}

// Up brings a region up without its maker, or restarts what has stopped of an existing one.
func (r *Regions) Up(ctx context.Context, spec RegionSpec, progress clusters.Progress) (*clusters.Environment, error) {
	if err := clusters.CheckName(spec.Name); err != nil {
		return nil, err
	}
	env, err := clusters.LoadEnvironment(r.dirs, spec.Name)
	switch {
	case err == nil && env.Provider != RegionName:
		return nil, &clusters.EnvironmentError{
			Doing: fmt.Sprintf("bring up region %q", spec.Name), Err: fmt.Errorf("an environment of that name is up, of provider %s", env.Provider),
			Remedy: "choose another --name, or remove it with: epi down --name " + spec.Name,
		}
	case err == nil && env.Control == nil:
		return nil, &clusters.EnvironmentError{
			Doing: fmt.Sprintf("bring up region %q", spec.Name), Err: errors.New("its record does not say where the emulator is"),
			Remedy: "remove it with: epi cloud down --name " + spec.Name,
		}
	case err == nil:
		return env, r.resume(ctx, env, progress)
	case !errors.Is(err, clusters.ErrNoEnvironment):
		return nil, err
	}
	if err := CheckReference("agent-image", spec.Agent.Image); err != nil {
		return nil, err
	}
	found, err := engine.Ensure(ctx, engine.Options{Dirs: r.dirs, RuntimeWrapper: filepath.Join(spec.Binaries, "epi-runc")}, progress)
	if err != nil {
		return nil, environmentError("start container engine", err)
	}
	c := &creation{dirs: r.dirs, found: found, engine: clientOf(found), progress: progress, secrets: newSecrets(), spec: clusters.Spec{
		Name: spec.Name, KubernetesVersion: spec.KubernetesVersion, NodeImage: spec.NodeImage, Agent: spec.Agent, Binaries: spec.Binaries,
	}}
	if err := c.refuseIfUp(ctx); err != nil {
		return nil, err
	}
	if c.dir, err = clusters.MakeEnvironmentDir(r.dirs, spec.Name, RegionName); err != nil {
		return nil, environmentError("make folder of region", err)
	}
	env, err = c.runRegion(ctx, spec)
	if err != nil {
		if !c.claimed {
			return nil, errors.Join(err, clusters.RemoveEnvironmentDir(r.dirs, spec.Name))
		}
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeoutCleanup)
		defer cancel()
		return nil, errors.Join(err, New(r.dirs).remove(cleanup, found, spec.Name, progress))
	}
	return env, nil
}

// runRegion lists the steps of bringing a region up.
func (c *creation) runRegion(ctx context.Context, spec RegionSpec) (*clusters.Environment, error) {
	emulate := func(ctx context.Context) error {
		args := append([]string{"--region", spec.Region, "--imds-hop-limit", strconv.Itoa(openHopLimit), "--cluster-maker"}, hostArgs()...)
		if spec.PropagationDelay > 0 {
			args = append(args, "--iam-propagation-delay", spec.PropagationDelay.String())
		}
		return c.startEmulatorWith(ctx, args)
	}
	for _, step := range []struct {
		doing string
		do    func(context.Context) error
	}{
		{"prepare images", c.prepareImages},
		{"create network", c.claim},
		{"start AWS emulator", emulate},
	} {
		if err := step.do(ctx); err != nil {
			return nil, environmentError(step.doing, err)
		}
	}
	if err := c.linkKubectl(); err != nil {
		return nil, environmentError("offer kubectl", err)
	}
	record := regionRecord{
		Name: spec.Name, Region: spec.Region, Binaries: spec.Binaries, Node: c.node, Agent: spec.Agent, EmulatorIP: c.emulator.ip,
		ControlURL: c.emulator.control, ControlToken: c.secrets.controlToken, SyncToken: c.secrets.syncToken,
	}
	if c.agent != nil {
		file, err := filepath.Abs(c.agent.File())
		if err != nil {
			return nil, environmentError("write down region", err)
		}
		record.AgentArchive = file
	}
	data, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return nil, environmentError("write down region", err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, regionFile), append(data, '\n'), 0o600); err != nil {
		return nil, environmentError("write down region", err)
	}
	env := &clusters.Environment{
		Provider: RegionName, Name: spec.Name, Created: time.Now().UTC().Truncate(time.Second), ClusterName: spec.Name, AccountID: accountID,
		Region: spec.Region, KubernetesVersion: c.node.Version, NodeImage: c.node.Ref, NodeImageOrigin: c.node.Origin, NodeRole: nodeRole,
		RedirectAWS: true, Engine: c.found.String(), ProbeImage: c.images[probeProgram].Ref, Capabilities: []clusters.Capability{}, Subjects: []clusters.Subject{},
		AWS: clusters.AWS{
			EndpointURL: c.emulator.endpoint, PodEndpointURL: c.podEndpoint(), AccessKeyID: c.secrets.accessKeyID, SecretAccessKey: c.secrets.secretAccessKey,
		},
		SecondAccount: &clusters.Account{ID: memberAccountID, AdministratorRole: memberAccessRole},
		Control:       &clusters.Control{URL: c.emulator.control, Token: c.secrets.controlToken},
	}
	if err := clusters.SaveEnvironment(c.dirs, env); err != nil {
		return nil, environmentError("write down region", err)
	}
	return env, nil
}

// resume restarts what has stopped of an existing region.
func (r *Regions) resume(ctx context.Context, env *clusters.Environment, progress clusters.Progress) error {
	task := progress.Start("AWS emulator")
	err := func() error {
		found, err := engine.Find(ctx, engine.Options{Dirs: r.dirs})
		if err != nil {
			return environmentError("find container engine", err)
		}
		if found == nil {
			return environmentError("find container engine", errors.New("none answers"))
		}
		if _, err := clientOf(found).Output(ctx, "start", emulatorName(env.Name)); err != nil {
			return &clusters.EnvironmentError{
				Doing: "start AWS emulator", Err: err, Remedy: fmt.Sprintf("its container is gone, and with it what the region knew: epi cloud down --name %[1]s && epi cloud up --name %[1]s", env.Name),
			}
		}
		return control.New(env.Control.URL, env.Control.Token).WaitHealthy(ctx, 30*time.Second)
	}()
	task.End(err)
	return err
}

// record reads the maker's record.
func (r *Regions) record(name string) (regionRecord, string, error) {
	var record regionRecord
	dir, err := r.dirs.EnvironmentDir(name)
	if err != nil {
		return record, "", err
	}
	data, err := os.ReadFile(filepath.Join(dir, regionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return record, "", fmt.Errorf("read region %s: %w", name, clusters.ErrNoEnvironment)
	}
	if err == nil {
		err = json.Unmarshal(data, &record)
	}
	if err != nil {
		return record, "", fmt.Errorf("read region %s: %w", name, err)
	}
	return record, dir, nil
}

// LockMaker makes this process the maker of a region until it calls release or ends. The error is a *lockfile.HeldError if
// there is a maker already.
func (r *Regions) LockMaker(name string) (release func(), err error) {
	dir, err := r.dirs.EnvironmentDir(name)
	if err != nil {
		return nil, err
	}
	lock, err := lockfile.Try(filepath.Join(dir, makerLock), true, "maker")
	if err != nil {
		return nil, fmt.Errorf("be the cluster maker of region %s: %w", name, err)
	}
	return lock.Release, nil
}

// Maker returns the process of a region's maker; 0 if none runs.
func (r *Regions) Maker(name string) (pid int, err error) {
	dir, err := r.dirs.EnvironmentDir(name)
	if err != nil {
		return 0, err
	}
	file := filepath.Join(dir, makerLock)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	lock, err := lockfile.Try(file, true, "look")
	if held, ok := errors.AsType[*lockfile.HeldError](err); ok {
		if len(held.By) == 0 {
			return 0, fmt.Errorf("look for the cluster maker of region %s: %w", name, err)
		}
		return held.By[0].PID, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for the cluster maker of region %s: %w", name, err)
	}
	lock.Release()
	return 0, nil
}

// stopMaker ends the maker of a region, by a signal first and then by force.
func (r *Regions) stopMaker(ctx context.Context, name string) error {
	signal := syscall.SIGTERM
	deadline := time.Now().Add(timeoutMaker)
	for sent := 0; ; {
		pid, err := r.Maker(name)
		if err != nil || pid == 0 {
			return err
		}
		if time.Now().After(deadline) {
			signal = syscall.SIGKILL
		}
		if pid != sent || signal == syscall.SIGKILL {
			if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end cluster maker, process %d: %w", pid, err)
			}
			sent = pid
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Down ends the maker of a region and removes all of it, also after a crash. It is idempotent.
func (r *Regions) Down(ctx context.Context, name string, progress clusters.Progress) error {
	if err := clusters.CheckName(name); err != nil {
		return err
	}
	there, err := clusters.HasEnvironmentDir(r.dirs, name)
	if err != nil {
		return err
	}
	if there {
		task := progress.Start("Cluster maker ended")
		err := r.stopMaker(ctx, name)
		task.End(err)
		if err != nil {
			return environmentError("end cluster maker", err)
		}
	}
	return New(r.dirs).Down(ctx, name, progress)
}

// openImages returns the images for nodes: those of agent and probe, and the user's agent, if any.
func openImages(record regionRecord) (own []*images.Image, agent *images.Given, err error) {
	group := errgroup.Group{}
	own = make([]*images.Image, 2)
	for n, program := range []images.Program{{Name: agentProgram, User: agentUser}, {Name: probeProgram, User: "65532"}} {
		group.Go(func() (err error) {
			own[n], err = images.Build(record.Binaries, program)
			return err
		})
	}
	if record.AgentArchive != "" {
		if agent, err = images.OpenArchive(record.AgentArchive); err != nil {
			return nil, nil, err
		}
	}
	return own, agent, group.Wait()
}
