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

// ownedBy returns the associations of the add-on with that ARN, oldest first. The caller holds the state's mu.
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

// own makes wanted the associations of the add-on. It deletes those of other service accounts, and gives those of a known
// service account the wanted role. If one of them fails, it changes nothing. undo reverts the changes for a caller that
// fails later. The caller holds the state's mu for writing.
func (s *Service) own(c *cluster, a *addon, wanted []addonAssociation) (undo changes, err error) {
	arn := s.addonARN(a.Cluster, a.Name, a.ID)
	roles := map[string]string{}
	for _, w := range wanted {
		roles[w.ServiceAccount] = w.RoleARN
	}
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
			after := before
			after.RoleARN, after.Modified = role, s.options.Now()
			change = func() error { return s.replace(old, after) }
			back = func() error { return s.replace(old, before) }
		}
		if err := change(); err != nil {
			return nil, undo.because(err)
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
			return nil, undo.because(err)
		}
		undo = append(undo, func() error { return s.release(c, fresh) })
	}
	return undo, nil
}

// changes holds a function for each change that reverts it, in the order of the changes.
type changes []func() error

// because reverts all changes, the last one first, and returns err.
func (undo changes) because(err error) error {
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

func (s *Service) replace(a *Association, with Association) error {
	if err := s.putAssociation(&with); err != nil {
		return err
	}
	*a = with
	return nil
}

// disown makes the associations of an add-on independent of it, all or none of them, as own does.
func (s *Service) disown(c *cluster, arn string) (undo changes, err error) {
	for _, a := range c.ownedBy(arn) {
		before, after := *a, *a
		after.OwnerARN = ""
		if err := s.replace(a, after); err != nil {
			return nil, undo.because(err)
		}
		undo = append(undo, func() error { return s.replace(a, before) })
	}
	return undo, nil
}

// checkOwner refuses to change an association directly that an add-on manages. The reference says only that the association
// has an owner. Of its errors, InvalidRequestException is the one about the state that a request meets.
func checkOwner(a *Association) error {
	if a.OwnerARN == "" {
		return nil
	}
	return restjson.Errorf(codeInvalidRequest, http.StatusBadRequest,
		"Pod identity association %s is owned by %s: change it with UpdateAddon.", a.ID, a.OwnerARN)
}
