package engine

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// removeLinks removes network links by their names, if they exist.
func removeLinks(names []string) error {
	var left []error
	for _, name := range names {
		link, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkDel(link)
		}
		if _, gone := errors.AsType[netlink.LinkNotFoundError](err); err != nil && !gone {
			left = append(left, fmt.Errorf("remove link %s: %w", name, err))
		}
	}
	return errors.Join(left...)
}
