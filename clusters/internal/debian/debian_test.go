package debian

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSourceLines(t *testing.T) {
	// The output of apt 2.6 on a machine with third-party sources besides Debian's.
	const targets = `Debian|bookworm|bookworm|http://mirror/debian/|main|$(SIGNED_BY)
Debian|bookworm-updates|bookworm-updates|http://mirror/debian/|main|/usr/share/keyrings/debian-archive-keyring.gpg
Debian|bookworm-security|bookworm-security|http://mirror/debian-security/|main|$(SIGNED_BY)
Debian|trixie|trixie|http://mirror/debian/|main|$(SIGNED_BY)
Node Source|nodistro|nodistro|https://other/node|main|/usr/share/keyrings/nodesource.gpg
Ubuntu|bookworm|bookworm|http://mirror/ubuntu/|universe|-----BEGIN PGP PUBLIC KEY BLOCK-----
broken line
`
	want := []string{
		"deb http://mirror/debian/ bookworm main",
		"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror/debian/ bookworm-updates main",
		"deb http://mirror/debian-security/ bookworm-security main",
		"deb http://mirror/ubuntu/ bookworm universe",
	}
	if diff := cmp.Diff(want, sourceLines(targets, "bookworm")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReachOptions(t *testing.T) {
	const config = `Acquire "";
Acquire::http "";
Acquire::http::Proxy "http://proxy:3128";
Acquire::http::User-Agent "x";
Acquire::https::CAInfo "/ca.pem";
Acquire::Languages "none";
Acquire::Retries "3";
`
	want := []string{`Acquire::http::Proxy "http://proxy:3128";`, `Acquire::https::CAInfo "/ca.pem";`, `Acquire::Retries "3";`}
	if diff := cmp.Diff(want, reachOptions(config)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCodename(t *testing.T) {
	for release, want := range map[string]string{ // os-release(5)
		"ID=debian\nVERSION_CODENAME=bookworm\n":       "bookworm",
		"ID=ubuntu\nVERSION_CODENAME=\"noble\"\n":      "noble",
		"ID=fedora\nVERSION_CODENAME=\"\"\n":           "",
		"ID=arch\n":                                    "",
		"UBUNTU_CODENAME=x\nVERSION_CODENAME='jammy'":  "jammy",
		strings.Repeat("A=B\n", 3) + "VERSION_ID=12\n": "",
	} {
		if got := codename(release); got != want {
			t.Errorf("%q: %q, want %q", release, got, want)
		}
	}
}

func TestAnotherReleaseOfTheSameServers(t *testing.T) {
	host := Suite{Name: "bookworm", Debian: true, Options: []string{"Acquire::Retries \"3\";"}, Sources: []string{
		"deb http://mirror/debian/ bookworm main",
		"deb [signed-by=/usr/share/keyrings/bookworm.gpg] http://mirror/debian/ bookworm-updates main",
		"deb http://mirror/debian-security/ bookworm-security main",
	}}
	want := Suite{Name: "trixie", Debian: true, Options: host.Options, Sources: []string{
		"deb http://mirror/debian/ trixie main",
		"deb [signed-by=/usr/share/keyrings/bookworm.gpg] http://mirror/debian/ trixie-updates main",
		"deb http://mirror/debian-security/ trixie-security main",
	}}
	if got, err := host.Release("trixie"); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v (-want +got):\n%s", err, cmp.Diff(want, got))
	}
	if got, err := host.Release("bookworm"); err != nil || !cmp.Equal(got, host) {
		t.Errorf("its own: %v, %v", got, err)
	}
	for name, other := range map[string]Suite{"Ubuntu": {Name: "noble", Sources: []string{"deb http://mirror/ubuntu/ noble main"}}, "neither": {}} {
		if got, err := other.Release("trixie"); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got, err := (Suite{Name: "trixie", Sources: []string{"deb a trixie main"}}).Release("trixie"); err != nil || len(got.Sources) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestIsDebian(t *testing.T) {
	for release, want := range map[string]bool{ // os-release(5)
		"NAME=x\nID=debian\n": true, "ID=\"debian\"": true, "ID=ubuntu\nID_LIKE=debian\n": false, "ID_LIKE=debian\n": false, "": false,
	} {
		if got := isDebian(release); got != want {
			t.Errorf("%q: %t", release, got)
		}
	}
}

// mmdebstrap ends the variant "extract" before the customize stage, whose hooks would never run
// (https://manpages.debian.org/trixie/mmdebstrap/mmdebstrap.1.en.html#OPERATION).
func TestHooksRunInEachVariant(t *testing.T) {
	for variant, want := range map[string]string{"extract": "--extract-hook=", "minbase": "--customize-hook=", "": "--customize-hook="} {
		if got := hookOption(variant); got != want {
			t.Errorf("%q: %s, want %s", variant, got, want)
		}
	}
}
