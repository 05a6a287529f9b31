package eks

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// addonAssociation asks for an association of a service account in the add-on's namespace
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_AddonPodIdentityAssociations.html).
type addonAssociation struct {
	ServiceAccount string `json:"serviceAccount"`
	RoleARN        string `json:"roleArn"`
}

// ownedBy are the associations of the add-on with that ARN, oldest first. The caller holds the state's mu.
func (c *cluster) ownedBy(arn string) []*Association {
	var owned []*Association
	for _, a := range c.byID {
		if a.OwnerARN == arn {
			owned = append(owned, a)
		}
	}
	slices.SortFunc(owned, func(a, b *Association) int { return cmp.Compare(a.seq, b.seq) })
	return owned
}

// own makes wanted the associations that the add-on has: those of other service accounts are deleted,
// those of a known one get its role. It changes nothing when one of them cannot be. The caller holds
// the state's mu for writing.
func (s *Service) own(c *cluster, a *addon, wanted []addonAssociation) error {
	arn := s.addonARN(a.Cluster, a.Name, a.ID)
	roles := map[string]string{}
	for _, w := range wanted {
		roles[w.ServiceAccount] = w.RoleARN
	}
	var undo []func() error
	for _, old := range c.ownedBy(arn) {
		role, keep := roles[old.ServiceAccount]
		delete(roles, old.ServiceAccount)
		if keep && role == old.RoleARN {
			continue
		}
		before := *old
		change := func() error { return s.release(c, old) }
		back := func() error { return s.restore(c, &before) }
		if keep {
			change = func() error { return s.reassign(old, role) }
			back = func() error { return s.reassign(old, before.RoleARN) }
		}
		if err := change(); err != nil {
			return rollback(err, undo)
		}
		undo = append(undo, back)
	}
	for _, w := range wanted {
		if _, missing := roles[w.ServiceAccount]; !missing {
			continue
		}
		fresh := &Association{
			Cluster: a.Cluster, Namespace: a.Namespace, ServiceAccount: w.ServiceAccount, ID: newAssociationID(), RoleARN: w.RoleARN, OwnerARN: arn,
		}
		if err := s.associate(c, fresh); err != nil {
			return rollback(err, undo)
		}
		undo = append(undo, func() error { return s.release(c, fresh) })
	}
	return nil
}

// rollback undoes changes, the last one first, because of err.
func rollback(err error, undo []func() error) error {
	for _, back := range slices.Backward(undo) {
		if failure := back(); failure != nil {
			return errors.Join(failure, err)
		}
	}
	return err
}

func (s *Service) release(c *cluster, a *Association) error {
	if err := s.options.Table.Delete(associationKey(a)); err != nil {
		return err
	}
	c.remove(a)
	return nil
}

func (s *Service) restore(c *cluster, a *Association) error {
	if err := s.putAssociation(a); err != nil {
		return err
	}
	c.add(a)
	return nil
}

func (s *Service) reassign(a *Association, role string) error {
	changed := *a
	changed.RoleARN, changed.Modified = role, s.options.Now()
	if err := s.putAssociation(&changed); err != nil {
		return err
	}
	*a = changed
	return nil
}

// disown lets the associations of an add-on live on without it. The caller holds the state's mu for writing.
func (s *Service) disown(c *cluster, arn string) error {
	for _, a := range c.ownedBy(arn) {
		changed := *a
		changed.OwnerARN = ""
		if err := s.putAssociation(&changed); err != nil {
			return err
		}
		*a = changed
	}
	return nil
}

// checkOwner refuses to change an association by itself that an add-on manages. The reference tells
// only that it has an owner; of its errors, InvalidRequestException is about the state that a request meets.
func checkOwner(a *Association) error {
	if a.OwnerARN == "" {
		return nil
	}
	return restjson.Errorf(codeInvalidRequest, http.StatusBadRequest,
		"Pod identity association %s is owned by %s: change it with UpdateAddon.", a.ID, a.OwnerARN)
}
