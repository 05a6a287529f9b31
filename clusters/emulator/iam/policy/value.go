package policy

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// decimal is a number as its digits, so that it is exact and cheap to read.
type decimal struct {
	negative bool
	// whole has no leading zeros and fraction no trailing ones.
	whole, fraction string
}

// parseNumber reads an integer or decimal exactly. There are no exponents.
func parseNumber(text string) (d decimal, ok bool) {
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 {
		return d, false
	}
	d.negative = strings.HasPrefix(text, "-")
	d.whole, d.fraction, _ = strings.Cut(digits, ".")
	if d.whole == "" && d.fraction == "" || !allDigits(d.whole) || !allDigits(d.fraction) {
		return decimal{}, false
	}
	d.whole = strings.TrimLeft(d.whole, "0")
	d.fraction = strings.TrimRight(d.fraction, "0")
	// Zero has one form, without a sign.
	d.negative = d.negative && d.whole+d.fraction != ""
	return d, true
}

func allDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

func (d decimal) compare(other decimal) int {
	if d.negative != other.negative {
		if d.negative {
			return -1
		}
		return 1
	}
	sign := len(d.whole) - len(other.whole)
	if sign == 0 {
		sign = strings.Compare(d.whole, other.whole)
	}
	if sign == 0 {
		// Digits after the point compare as text: a shorter text with the same beginning is smaller.
		sign = strings.Compare(d.fraction, other.fraction)
	}
	if d.negative {
		return -sign
	}
	return sign
}

// parseDate reads one of the W3C profiles of ISO 8601 (https://www.w3.org/TR/NOTE-datetime) or seconds since the epoch. A
// text of four digits is a year.
func parseDate(text string) (time.Time, bool) {
	if digits := strings.TrimPrefix(text, "-"); digits != "" && allDigits(digits) && len(text) != 4 {
		seconds, err := strconv.ParseInt(text, 10, 64)
		return time.Unix(seconds, 0), err == nil
	}
	layout := ""
	switch n := len(text); {
	case n == 4:
		layout = "2006"
	case n == 7:
		layout = "2006-01"
	case n == 10:
		layout = "2006-01-02"
	case n > 16 && text[13] == ':' && text[16] != ':':
		layout = "2006-01-02T15:04Z07:00"
	case n > 19 && text[13] == ':' && text[16] == ':' && text[19] != ',':
		layout = time.RFC3339Nano
	default:
		return time.Time{}, false
	}
	at, err := time.Parse(layout, text)
	return at, err == nil
}

func parseBool(text string) (truth, ok bool) {
	switch {
	case text == "true" || strings.EqualFold(text, "true"):
		return true, true
	case text == "false" || strings.EqualFold(text, "false"):
		return false, true
	}
	return false, false
}

// parseNetwork reads a CIDR range, or an address, which is a range of one. An IPv4 range in IPv6 notation is an IPv4 range,
// as with addresses.
func parseNetwork(text string) (netip.Prefix, bool) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return netip.Prefix{}, false
		}
		network = netip.PrefixFrom(address, address.BitLen())
	}
	if address := network.Addr(); address.Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(address.Unmap(), network.Bits()-96)
	}
	return network.Masked(), true
}

func parseAddress(text string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(text)
	return address.Unmap().WithZone(""), err == nil
}
