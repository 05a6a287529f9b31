package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters"
)

// stubborn is a container engine in which some containers and networks cannot be removed at once.
type stubborn struct {
	containers map[string]*resisting
	networks   map[string]*resisting
	// calls are the commands that change something.
	calls []string
}

// resisting is a container or a network that is removed only after some attempts.
type resisting struct {
	says string
	// tries is the number of failing attempts; below 0 for all.
	tries int
	// thawed says that it must be thawed before it can be removed.
	frozen bool
	paused bool
	// back is how often it is created again.
	back int
	// connected are the containers on a network.
	connected []string
}

var errNoSuch = errors.New("Error: No such container: x")

func (s *stubborn) Output(_ context.Context, args ...string) (string, error) {
	command := strings.Join(args, " ")
	last := args[len(args)-1]
	switch {
	case strings.HasPrefix(command, "ps --all --filter label="+kindLabel), strings.HasPrefix(command, "network ls --filter name="):
		return "", nil // it has no nodes
	case strings.HasPrefix(command, "ps --all"):
		return strings.Join(keys(s.containers), "\n"), nil
	case strings.HasPrefix(command, "network ls"):
		return strings.Join(keys(s.networks), "\n"), nil
	case strings.HasPrefix(command, "container inspect"):
		if c, ok := s.containers[last]; ok {
			return fmt.Sprintf(`[{"Id":%q,"State":{"Paused":%t}}]`, strings.Repeat("a", 64), c.paused), nil
		}
		if last == "theirs" {
			return `[{"Id":"b"}]`, nil
		}
		return "", errNoSuch
	case strings.HasPrefix(command, "network inspect"):
		return strings.Join(s.networks[last].connected, " "), nil
	}
	s.calls = append(s.calls, command)
	switch {
	case args[0] == "unpause":
		s.containers[last].paused = false
	case args[0] == "rm":
		return "", remove(s.containers, last)
	case command == "network rm "+last:
		return "", remove(s.networks, last)
	case strings.HasPrefix(command, "network disconnect"):
		network := s.networks[args[len(args)-2]]
		network.connected, network.tries = nil, 0
	}
	return "", nil
}

func remove(from map[string]*resisting, name string) error {
	r, ok := from[name]
	switch {
	case !ok:
		return errNoSuch
	case r.paused:
		return errors.New("container is paused, unpause it first")
	case r.frozen:
		return errors.New("tried to kill container, but did not receive an exit event")
	case r.tries != 0:
		r.tries--
		return errors.New(r.says)
	case r.back > 0:
		r.back--
		return nil
	}
	delete(from, name)
	return nil
}

func keys(m map[string]*resisting) []string {
	var list []string
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func (s *stubborn) Load(context.Context, io.Reader) error { return errors.New("it loads nothing") }

func (s *stubborn) With(...string) containerEngine { return s }

type listened struct{ said []string }

func (l *listened) Detail(format string, args ...any) {
	l.said = append(l.said, fmt.Sprintf(format, args...))
}
func (*listened) End(error) {}

// TestRemovalOfWhatResists: each row is an answer that a Docker engine was seen to give.
func TestRemovalOfWhatResists(t *testing.T) {
	for name, row := range map[string]struct {
		engine stubborn
		// left is the remedy at the end; "" if all is gone.
		left, says string
		waits      string
	}{
		"nothing there": {},
		"nothing resists": {engine: stubborn{
			containers: map[string]*resisting{"mine-emulator": {}}, networks: map[string]*resisting{"epi-mine": {}},
		}},
		"a removal by another": {
			engine: stubborn{containers: map[string]*resisting{"mine-emulator": {says: "Error response from daemon: removal of container x is already in progress", tries: 3}}},
			waits:  "mine-emulator: Error response from daemon: removal of container x is already in progress",
		},
		"a frozen control group": {engine: stubborn{containers: map[string]*resisting{"mine-emulator": {frozen: true}}}, waits: "thawed 1 control groups"},
		"a paused one":           {engine: stubborn{containers: map[string]*resisting{"mine-emulator": {paused: true}}}},
		"one that comes back":    {engine: stubborn{containers: map[string]*resisting{"mine-emulator": {back: 2}}}, waits: "it has come back"},
		"a network in use for a while": {engine: stubborn{
			networks: map[string]*resisting{"epi-mine": {says: "error while removing network: network epi-mine id x has active endpoints", tries: 2}},
		}, waits: "active endpoints"},
		"a network that a container which is gone is connected to": {engine: stubborn{
			networks: map[string]*resisting{"epi-mine": {says: "has active endpoints", tries: -1, connected: []string{"ghost"}}},
		}},
		"a network that a container of the user's is connected to": {engine: stubborn{
			networks: map[string]*resisting{"epi-mine": {says: "has active endpoints", tries: -1, connected: []string{"theirs"}}},
		}, left: "docker network disconnect --force epi-mine theirs", says: "container theirs"},
		"one that never goes": {engine: stubborn{
			containers: map[string]*resisting{"mine-emulator": {says: "run docker: exit status 1\ndriver failed: device or resource busy", tries: -1}, "mine-other": {}},
			networks:   map[string]*resisting{"epi-mine": {}},
		}, left: "env DOCKER_HOST=unix:///s/docker.sock docker rm --force --volumes mine-emulator", says: "container mine-emulator is left: driver failed: device or resource busy"},
	} {
		t.Run(name, func(t *testing.T) {
			task := &listened{}
			engine := &row.engine
			r := newRemoval(engine, "mine", task)
			r.pause = func(context.Context, int) error { return nil }
			r.thaw = func(ids ...string) ([]string, error) {
				if c := engine.containers["mine-emulator"]; c.frozen && len(ids) == 1 && ids[0] == strings.Repeat("a", 64) {
					c.frozen = false
					return []string{"/sys/fs/cgroup/x"}, nil
				}
				return nil, nil
			}
			left, err := r.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			command := []string{"docker"}
			if strings.HasPrefix(row.left, "env") {
				command = []string{"env", "DOCKER_HOST=unix:///s/docker.sock", "docker"}
			}
			err = leftError("mine", left, command, nil)
			if row.left == "" && (err != nil || len(engine.containers)+len(engine.networks) > 0) {
				t.Errorf("left: %v, containers %q, networks %q", err, keys(engine.containers), keys(engine.networks))
			}
			if row.left != "" && (err == nil || clusters.Remedy(err) != "remove it with: "+row.left || !strings.Contains(err.Error(), row.says)) {
				t.Errorf("error %v, remedy %q; want %q", err, clusters.Remedy(err), row.left)
			}
			if row.left != "" && strings.Contains(clusters.Remedy(err), "epi down") {
				t.Errorf("the hint leads to itself: %q", clusters.Remedy(err))
			}
			if !strings.Contains(strings.Join(task.said, "\n"), row.waits) {
				t.Errorf("said %q, want %q", task.said, row.waits)
			}
			if _, other := engine.containers["mine-other"]; other {
				t.Error("one that resists keeps another")
			}
		})
	}
}
