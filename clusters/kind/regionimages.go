package kind

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/clientimage"
	"github.com/podidentity/epi/clusters/clients"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/images"
)

// Load loads a user's image onto the nodes of all clusters of a region, as Provider.Load does for one cluster, and keeps it
// for nodes that join later.
func (r *Regions) Load(ctx context.Context, env *clusters.Environment, image, scratch string, progress clusters.Progress) ([]string, error) {
	found, err := r.findEngine(ctx)
	if err != nil {
		return nil, err
	}
	loadable, err := getLoadable(ctx, found, image, scratch, progress)
	if err != nil {
		return nil, err
	}
	if err := r.distribute(ctx, found, env.Name, loadable.Refs, loadable.Open, progress); err != nil {
		return nil, environmentError("load image "+image, err)
	}
	return loadable.Refs, nil
}

// AddClients builds images of AWS clients, loads them onto the nodes of all clusters of a region, now and later, and
// records them in env.
func (r *Regions) AddClients(ctx context.Context, env *clusters.Environment, chosen []clients.Client, binaries string, progress clusters.Progress) error {
	// The nodes have the probe in any case.
	chosen = slices.DeleteFunc(slices.Clone(chosen), func(c clients.Client) bool { return c.Kind == clients.Probe })
	if len(chosen) == 0 {
		return nil
	}
	found, err := r.findEngine(ctx)
	if err != nil {
		return err
	}
	made, err := clientimage.Ensure(ctx, clientimage.Options{Dirs: r.dirs, Binaries: binaries, Clients: chosen}, progress)
	if err != nil {
		return environmentError("make images of AWS clients", err)
	}
	list, refs := imagesOf(made)
	if len(list) > 0 {
		open := func() (io.ReadCloser, error) {
			reader, writer := io.Pipe()
			go func() { writer.CloseWithError(images.Archive(writer, list...)) }()
			return reader, nil
		}
		if err := r.distribute(ctx, found, env.Name, refs, open, progress); err != nil {
			return environmentError("load images of AWS clients", err)
		}
	}
	env.Clients = slices.DeleteFunc(env.Clients, func(c clusters.Client) bool {
		return slices.ContainsFunc(made, func(m clientimage.Made) bool { return m.Name == c.Name })
	})
	(&clientImages{made: made}).addTo(env)
	slices.Sort(env.Capabilities)
	env.Capabilities = slices.Compact(env.Capabilities)
	if err := clusters.SaveEnvironment(r.dirs, env); err != nil {
		return environmentError("write down region", err)
	}
	return nil
}

func (r *Regions) findEngine(ctx context.Context) (*engine.Engine, error) {
	found, err := engine.Find(ctx, engine.Options{Dirs: r.dirs})
	if err == nil && found == nil {
		err = errors.New("none answers")
	}
	if err != nil {
		return nil, environmentError("find container engine", err)
	}
	return found, nil
}

// distribute keeps an archive of images for future nodes, and then loads it onto the existing ones. A node that joins
// meanwhile gets it in one of the two ways.
func (r *Regions) distribute(ctx context.Context, found *engine.Engine, name string, refs []string, open func() (io.ReadCloser, error), progress clusters.Progress) error {
	dir, err := r.dirs.EnvironmentDir(name)
	if err != nil {
		return err
	}
	task := progress.Start("Keep it for nodes to come")
	file, err := keepArchive(ctx, keptFolder(dir), refs, open, task)
	task.End(err)
	if err != nil {
		return err
	}
	// This is the maker's own list of its clusters, from their folders.
	made := &RegionClusters{dirs: r.dirs, dir: dir, record: regionRecord{Name: name}, found: found, engine: clientOf(found)}
	list, err := made.allNodes(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, node := range list {
		group.Go(func() error {
			task := progress.Start("Node " + node.String())
			err := loadKept(ctx, node, file, task)
			if err != nil && !made.isWhole(ctx, node.String()) {
				task.Detail("it joins only now, and loads the image then")
				err = nil
			}
			task.End(err)
			if err != nil {
				return fmt.Errorf("load on node %s: %w", node, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// allNodes are the nodes of all running clusters, without the control planes, on which no pods run.
func (c *RegionClusters) allNodes(ctx context.Context) ([]nodes.Node, error) {
	ids, err := c.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	var list []nodes.Node
	for _, id := range ids {
		of, err := c.nodesOf(id)
		if err != nil {
			return nil, err
		}
		for _, node := range of {
			if node.String() == controlPlane(c.kindName(id)) {
				continue
			}
			state, err := c.containerIs(ctx, node.String())
			if err != nil {
				return nil, err
			}
			if state == "running" {
				list = append(list, node)
			}
		}
	}
	return list, nil
}

// keptFolder is below a region's folder: archives of images for each new node.
func keptFolder(dir string) string { return filepath.Join(dir, "images") }

// keepArchive writes an archive of images to folder and returns the file. It replaces an archive with the same names.
func keepArchive(ctx context.Context, folder string, refs []string, open func() (io.ReadCloser, error), task clusters.Task) (string, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("keep image: %w", err)
	}
	sorted := slices.Clone(refs)
	slices.Sort(sorted)
	sum := sha256.Sum256([]byte(strings.Join(sorted, "\n")))
	file := filepath.Join(folder, hex.EncodeToString(sum[:8])+archiveSuffix)
	// It is renamed when it is complete, so that a node that joins meanwhile does not read half of it.
	partial, err := os.CreateTemp(folder, "partial-")
	if err != nil {
		return "", fmt.Errorf("keep image: %w", err)
	}
	defer func() { _ = os.Remove(partial.Name()) }() // after the rename there is none
	archive, err := open()
	if err == nil {
		_, err = io.Copy(partial, &counter{ctx: ctx, from: archive, task: task})
		err = errors.Join(err, archive.Close())
	}
	if err = errors.Join(err, partial.Close()); err == nil {
		err = os.Rename(partial.Name(), file)
	}
	if err != nil {
		return "", fmt.Errorf("keep image: %w", err)
	}
	return file, nil
}

const archiveSuffix = ".tar"

// keptArchives are those of a folder, the newest last. If two have the same name in them, the newer one counts.
func keptArchives(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var infos []fs.FileInfo
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && strings.HasSuffix(info.Name(), archiveSuffix) {
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	files := make([]string, len(infos))
	for n, info := range infos {
		files[n] = filepath.Join(folder, info.Name())
	}
	return files, nil
}

// loadKept loads a kept archive onto a node.
func loadKept(ctx context.Context, node nodes.Node, file string, task clusters.Task) error {
	archive, err := os.Open(file)
	if err != nil {
		return err
	}
	return errors.Join(loadStream(ctx, node, archive, task), archive.Close())
}

// loadAllKept loads the images that users have given the region.
func (c *RegionClusters) loadAllKept(ctx context.Context, node nodes.Node) error {
	files, err := keptArchives(keptFolder(c.dir))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := loadKept(ctx, node, file, logTask{log: c.log, cluster: node.String()}); err != nil {
			return fmt.Errorf("load %s on node %s: %w", filepath.Base(file), node, err)
		}
	}
	return nil
}
