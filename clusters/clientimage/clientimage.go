// Package clientimage makes images of the AWS clients that package clients lists. It needs no container engine and no
// registry of images, and uses Go modules, npm packages and Debian packages. Each client's layer, and the base of Debian
// packages that some clients share, take time and are cached by a hash of their sources.
//
// A client that cannot be made on this machine, for example without npm, is reported and is no error.
package clientimage

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/clients"
	"github.com/podidentity/epi/clusters/images"
	"github.com/podidentity/epi/clusters/internal/debian"
	"github.com/podidentity/epi/clusters/internal/lockfile"
)

// Options ask for images.
type Options struct {
	Dirs clusters.Dirs
	// Binaries is the folder with epi-probe, which is in every image.
	Binaries string
	Clients  []clients.Client
}

// Made is the result for one client.
type Made struct {
	clients.Client
	// Version is the version in the image.
	Version string
	// Image is nil for the probe, which has its own image, and if Missing has the reason why there is none.
	Image   *images.Image
	Missing string
	// CommandImage starts with the client's Command; nil for a client that has none.
	CommandImage *images.Image
}

// parallel is how many clients are made at the same time: some wait for the network, some for the processor.
const parallel = 2

// Ensure makes images of the clients, in their order.
func Ensure(ctx context.Context, options Options, progress clusters.Progress) ([]Made, error) {
	m := &maker{dir: filepath.Join(options.Dirs.Cache, "clients"), binaries: options.Binaries}
	made := make([]Made, len(options.Clients))
	var toMake int
	for i, client := range options.Clients {
		made[i] = Made{Client: client, Version: client.Version}
		if client.Kind == clients.Probe {
			version, err := probeVersion(filepath.Join(m.binaries, "epi-probe"))
			if err != nil {
				return nil, err
			}
			made[i].Version = version
		} else {
			toMake++
		}
	}
	if toMake == 0 {
		return made, nil
	}
	m.task = progress.Start(fmt.Sprintf("Images of AWS clients, %d to make", toMake))
	err := m.all(ctx, made)
	m.task.End(err)
	return made, err
}

// maker makes the images of one environment.
type maker struct {
	dir, binaries string
	suite         debian.Suite
	task          clusters.Task
	bases         singleflight.Group
}

func (m *maker) all(ctx context.Context, made []Made) error {
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return fmt.Errorf("make images of AWS clients: %w", err)
	}
	release, err := lockfile.Acquire(ctx, filepath.Join(m.dir, "lock"), func() { m.task.Detail("waiting for another epi that makes them") })
	if err != nil {
		return err
	}
	defer release()
	m.suite = debian.Find(ctx)
	group, both := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i := range made {
		if made[i].Kind == clients.Probe {
			continue
		}
		group.Go(func() error {
			if err := m.one(both, &made[i]); err != nil {
				if both.Err() != nil {
					return err
				}
				made[i].Missing = reason(err)
			}
			return nil
		})
	}
	return group.Wait()
}

// reason is an error in one line.
func reason(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	if len(lines) == 1 {
		return lines[0]
	}
	return lines[0] + " … " + strings.TrimSpace(lines[len(lines)-1])
}

// one makes the image of a client that is not the probe.
func (m *maker) one(ctx context.Context, made *Made) error {
	content := images.Content{
		Name: "epi-client-" + made.Folder, Program: "epi-probe", Binaries: m.binaries, User: "65532",
		Env: []string{"HOME=/tmp", "PATH=/usr/bin:/bin", "PYTHONPYCACHEPREFIX=/tmp/pycache", "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE=1"},
	}
	if len(made.Packages) > 0 {
		base, err := m.base(ctx, made.Client)
		if err != nil {
			return err
		}
		content.Layers = append(content.Layers, base)
		if len(made.Command) > 0 {
			if made.CommandImage, err = commandImage(made.Client, base, content); err != nil {
				return err
			}
		}
		if made.VersionIn != "" {
			if made.Version, err = versionIn(base, made.VersionIn); err != nil {
				return err
			}
		}
	}
	layer, err := m.layer(ctx, made.Client)
	if err != nil {
		return err
	}
	content.Layers = append(content.Layers, layer)
	made.Image, err = images.Assemble(content)
	return err
}

// commandImage is for people. It starts the command in a folder that is writable for everybody. It has no pager, which
// would wait for input.
func commandImage(client clients.Client, base string, program images.Content) (*images.Image, error) {
	return images.Assemble(images.Content{
		Name: "epi-" + client.Folder, Layers: []string{base}, Entrypoint: client.Command, WorkingDir: "/tmp",
		User: program.User, Env: append([]string{"AWS_PAGER="}, program.Env...),
	})
}

// layer is the tar archive of the client's own files.
func (m *maker) layer(ctx context.Context, client clients.Client) (string, error) {
	key := newKey(client.Name, runtime.GOARCH)
	if err := key.files(client.Files()); err != nil {
		return "", err
	}
	if client.Kind == clients.Go {
		compiler, err := goVersion(ctx)
		if err != nil {
			return "", err
		}
		key.add(compiler)
	}
	file := filepath.Join(m.dir, client.Name+"-"+key.sum()+".tar")
	return file, m.once(file, func(work string) error {
		m.task.Detail("making %s", client.Name)
		switch client.Kind {
		case clients.Go:
			return compile(ctx, client, work, file)
		case clients.NPM:
			return installNPM(ctx, client, work, file)
		default:
			return pack(work, file, client.Files(), nil)
		}
	})
}

// once makes a missing file, with a folder for temporary files.
func (m *maker) once(file string, do func(work string) error) (err error) {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	work, err := os.MkdirTemp(m.dir, "work-")
	if err != nil {
		return fmt.Errorf("make AWS client: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	return do(work)
}

// serviceData are botocore's folders with one folder for each service. They have 200 MB, most of which is of unused
// services.
var serviceData = []string{
	"/usr/lib/python3/dist-packages/botocore/data/", "/usr/lib/python3/dist-packages/awscli/botocore/data/",
}

// services are those whose data are kept: the emulator's, those that workloads use to be refused, and three without which
// the AWS CLI does not start, because it renames them.
var services = []string{
	"codedeploy", "config", "opsworkscm",
	"cloudformation", "cloudwatch", "dynamodb", "ec2", "ecr", "eks", "eks-auth", "iam", "kms", "lambda", "logs", "organizations",
	"s3", "s3control", "secretsmanager", "sns", "sqs", "ssm", "sso", "sso-oidc", "sts",
}

// trustHook writes the files that the package ca-certificates makes in its setup. Boto3 does not start without them.
const trustHook = `if [ -d "$1/usr/share/ca-certificates/mozilla" ]; then mkdir -p "$1/etc/ssl/certs" && ` +
	`cat "$1"/usr/share/ca-certificates/mozilla/*.crt >"$1/etc/ssl/certs/ca-certificates.crt"; fi`

// base is the tar archive of Debian's packages.
func (m *maker) base(ctx context.Context, client clients.Client) (string, error) {
	switch {
	case len(m.suite.Sources) == 0:
		return "", errors.New("it takes packages of Debian or Ubuntu, and this machine is neither")
	case os.Geteuid() != 0:
		return "", errors.New("unpacking packages of Debian takes root")
	}
	suite := m.suite
	if client.Release != "" {
		var err error
		if suite, err = suite.Release(client.Release); err != nil {
			return "", err
		}
	}
	rootfs := debian.Rootfs{
		// The files are only extracted: no program of the base has to run for the setup.
		Suite: suite, Variant: "extract", Packages: client.Packages, Hooks: []string{trustHook},
		Without: []string{"/usr/lib/python3/dist-packages/awscli/examples/*", "/usr/lib/python3/dist-packages/awscli/data/ac.index"},
	}
	for _, folder := range serviceData {
		rootfs.Without = append(rootfs.Without, folder+"*/*")
		for _, service := range services {
			rootfs.WithAgain = append(rootfs.WithAgain, folder+service+"/*")
		}
	}
	key := newKey(slices.Concat([]string{"hooks after extraction", suite.Name, runtime.GOARCH, strings.Join(suite.Sources, "\n")}, client.Packages, rootfs.Without, rootfs.WithAgain, rootfs.Hooks)...)
	file := filepath.Join(m.dir, "base-"+key.sum()+".tar")
	_, err, _ := m.bases.Do(file, func() (any, error) {
		return nil, m.once(file, func(work string) error {
			rootfs.File, rootfs.Work = file, work
			return rootfs.Make(ctx, m.task.Detail)
		})
	})
	return file, err
}

// probeVersion is the version of epi-probe's AWS SDK.
func probeVersion(file string) (string, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the version of the AWS SDK in epi-probe: %w", err)
	}
	for _, module := range info.Deps {
		if module.Path == "github.com/aws/aws-sdk-go-v2/config" {
			return strings.TrimPrefix(module.Version, "v"), nil
		}
	}
	return "", fmt.Errorf("read the version of the AWS SDK in epi-probe: %s has none", file)
}

// key hashes parts, so that moving text from one part to the next changes the sum.
type key struct{ hash hash.Hash }

func newKey(parts ...string) key {
	k := key{sha256.New()}
	for _, part := range parts {
		k.add(part)
	}
	return k
}

func (k key) add(part string) { _, _ = fmt.Fprintf(k.hash, "%d %s\n", len(part), part) } // a hash accepts everything

func (k key) files(files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || name == "client.yaml" {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		k.add(name)
		k.add(string(content))
		return nil
	})
}

func (k key) sum() string { return hex.EncodeToString(k.hash.Sum(nil))[:12] }
