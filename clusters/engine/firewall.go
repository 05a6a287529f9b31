package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/internal/command"
)

// families are the commands of the two packet filters.
var families = []string{"iptables", "ip6tables"}

// ruleset is the output of `iptables-save`: tables, their chains and the rules of each.
type ruleset map[string]table

type table struct {
	// Policies of the chains; "-" for chains that are not built in.
	Policies map[string]string `json:"policies"`
	// Rules as iptables takes them, such as "-A FORWARD -j DOCKER-USER".
	Rules []string `json:"rules"`
}

// readFirewalls reads the rulesets of both families. It leaves out a family that this machine lacks.
func readFirewalls(ctx context.Context) (map[string]ruleset, error) {
	all := map[string]ruleset{}
	for _, family := range families {
		if _, err := exec.LookPath(family + "-save"); err != nil {
			continue
		}
		output, err := command.New(family + "-save").Output(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			continue // for example a kernel without IPv6
		}
		all[family] = parseRules(output)
	}
	return all, nil
}

// parseRules parses the output of `iptables-save`.
func parseRules(output string) ruleset {
	rules := ruleset{}
	name := ""
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			name = line[1:]
			rules[name] = table{Policies: map[string]string{}}
		case strings.HasPrefix(line, ":") && name != "":
			if fields := strings.Fields(line[1:]); len(fields) >= 2 {
				rules[name].Policies[fields[0]] = fields[1]
			}
		case strings.HasPrefix(line, "-A ") && name != "":
			t := rules[name]
			t.Rules = append(t.Rules, line)
			rules[name] = t
		}
	}
	return rules
}

// lostRules returns, for each table, the earlier rules that no longer exist, in their order. It leaves out those of the
// private engine itself, for which ours returns true.
func lostRules(before, after ruleset, ours func(rule string) bool) map[string][]string {
	lost := map[string][]string{}
	for name, old := range before {
		for _, rule := range old.Rules {
			if !slices.Contains(after[name].Rules, rule) && !ours(rule) {
				lost[name] = append(lost[name], rule)
			}
		}
	}
	return lost
}

// chainOf returns the chain of a rule such as "-A FORWARD -j DROP".
func chainOf(rule string) string {
	fields := strings.Fields(rule)
	if len(fields) < 2 {
		return ""
	}
	return fields[1]
}

// position returns the place in a chain where rules are restored: before a last rule that applies to every packet,
// otherwise at the end. It counts from 1, as iptables does.
func position(rules []string, chain string) int {
	count, last := 0, ""
	for _, rule := range rules {
		if chainOf(rule) == chain {
			count++
			last = rule
		}
	}
	if last == "-A "+chain+" -j RETURN" {
		return count
	}
	return count + 1
}

// giveBackRules restores the rules of another engine that the start of the private engine removed. Each Docker engine
// begins by emptying the chains that all of them share.
func (p private) giveBackRules(ctx context.Context, found *Engine, before map[string]ruleset) error {
	after, err := readFirewalls(ctx)
	if err != nil {
		return err
	}
	own, err := found.networks(ctx)
	if err != nil {
		return err
	}
	for family, old := range before {
		for name, rules := range lostRules(old, after[family], own.owns) {
			for _, rule := range rules {
				chain := chainOf(rule)
				t := after[family][name]
				at := position(t.Rules, chain)
				args := append([]string{"--wait", "--table", name, "--insert", chain, fmt.Sprint(at)}, ruleArguments(rule)...)
				if _, err := command.New(family, args...).Output(ctx); err != nil {
					return fmt.Errorf("give another engine its rule back: %w", err)
				}
				t.Rules = insertRule(t.Rules, rule, at)
				after[family][name] = t
			}
		}
	}
	return nil
}

// insertRule inserts the rule at its position of the chain that it names.
func insertRule(rules []string, rule string, at int) []string {
	chain, seen := chainOf(rule), 0
	for i, other := range rules {
		if chainOf(other) != chain {
			continue
		}
		if seen++; seen == at {
			return slices.Insert(slices.Clone(rules), i, rule)
		}
	}
	return append(slices.Clone(rules), rule)
}

// ruleArguments returns the arguments of a rule after its chain. iptables-save quotes only comments.
func ruleArguments(rule string) []string {
	var args []string
	var current strings.Builder
	quoted, begun := false, false
	for i := 0; i < len(rule); i++ {
		switch c := rule[i]; {
		case c == '\\' && quoted && i+1 < len(rule):
			i++
			current.WriteByte(rule[i])
		case c == '"':
			quoted, begun = !quoted, true
		case c == ' ' && !quoted:
			if begun {
				args = append(args, current.String())
			}
			current.Reset()
			begun = false
		default:
			current.WriteByte(c)
			begun = true
		}
	}
	if begun {
		args = append(args, current.String())
	}
	if len(args) < 2 {
		return nil
	}
	return args[2:]
}

// networks are the links and the subnets of an engine's networks.
type networks struct {
	bridges []string
	subnets []netip.Prefix
}

// networks asks the engine for its networks.
func (e *Engine) networks(ctx context.Context) (networks, error) {
	var found networks
	ids, err := e.Output(ctx, "network", "ls", "--quiet", "--no-trunc", "--filter", "driver=bridge")
	if err != nil {
		return found, fmt.Errorf("list networks: %w", err)
	}
	if strings.TrimSpace(ids) == "" {
		return found, nil
	}
	for _, id := range strings.Fields(ids) {
		if len(id) >= 12 {
			found.bridges = append(found.bridges, "br-"+id[:12])
		}
	}
	args := append([]string{"network", "inspect", "--format", "{{range .IPAM.Config}}{{.Subnet}} {{end}}"}, strings.Fields(ids)...)
	subnets, err := e.Output(ctx, args...)
	if err != nil {
		return found, fmt.Errorf("list networks: %w", err)
	}
	for _, subnet := range strings.Fields(subnets) {
		if prefix, err := netip.ParsePrefix(subnet); err == nil {
			found.subnets = append(found.subnets, prefix)
		}
	}
	return found, nil
}

// owns says whether a rule belongs to these networks: it names one of their links or addresses.
func (n networks) owns(rule string) bool {
	for _, field := range strings.Fields(rule) {
		if slices.Contains(n.bridges, field) {
			return true
		}
		prefix, err := netip.ParsePrefix(field)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(n.subnets, prefix.Overlaps) && prefix.Bits() > 0 {
			return true
		}
	}
	return false
}

// before is the state of the machine before the private engine.
type before struct {
	Firewalls map[string]ruleset `json:"firewalls"`
	// Sysctls are the settings that an engine changes, by their path below /proc/sys.
	Sysctls map[string]string `json:"sysctls"`
}

// engineSysctls are the kernel's settings that a Docker engine changes.
var engineSysctls = []string{
	"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/default/forwarding",
	"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables",
}

// saveBefore records the state of the machine, unless it is recorded already.
func saveBefore(ctx context.Context, file string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	firewalls, err := readFirewalls(ctx)
	if err != nil {
		return err
	}
	state := before{Firewalls: firewalls, Sysctls: map[string]string{}}
	for _, name := range engineSysctls {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			state.Sysctls[name] = strings.TrimSpace(string(value))
		}
	}
	data, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return fmt.Errorf("write down what the engine will change: %w", err)
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write down what the engine will change: %w", err)
	}
	return nil
}

// loadBefore reads the record of saveBefore; nothing if there is none.
func loadBefore(file string) (*before, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read what the engine changed: %w", err)
	}
	var state before
	if err := json.Unmarshal(data, &state); err != nil {
		return nil, fmt.Errorf("read what the engine changed: %w", err)
	}
	return &state, nil
}
