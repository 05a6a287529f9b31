package cloud

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/framework"
)

const (
	// crowdAtOnce is how many calls to EKS are under way at the same time.
	crowdAtOnce = 10
	// crowdPart is how many associations one removal takes care of, so that each ends in time.
	crowdPart = 2000
)

// Crowd is many associations with one role, of service accounts that need not exist.
type Crowd struct {
	// Namespace is the crowd's alone; there need not be one.
	Namespace string

	env  *framework.Env
	role *Role
	// ids of the associations, by the numbers of their service accounts.
	ids []string
	// covered is how many of them there are removals for.
	covered int
}

// NewCrowd makes one of nobody.
func NewCrowd(env *framework.Env, role *Role) *Crowd {
	return &Crowd{Namespace: env.NewName(), env: env, role: role}
}

// Size is how many there are.
func (c *Crowd) Size() int { return len(c.ids) }

// ServiceAccount is the name of the nth, counted from 0.
func (c *Crowd) ServiceAccount(n int) string { return fmt.Sprintf("app-%05d", n) }

// Grow makes associations until there are size. That of the last service account is made when EKS has
// answered for all others. All are removed at the end, what an interruption left included.
func (c *Crowd) Grow(ctx context.Context, size int) {
	c.env.T.Helper()
	for ; c.covered < size; c.covered += crowdPart {
		c.env.T.Cleanup(fmt.Sprintf("associations of namespace %s", c.Namespace), c.removePart)
	}
	first := len(c.ids)
	if size <= first {
		return
	}
	c.ids = append(c.ids, make([]string, size-first)...)
	create := func(ctx context.Context, n int) error {
		created, err := createAssociation(ctx, c.env, c.Namespace, c.ServiceAccount(n), c.role)
		if err != nil {
			return fmt.Errorf("create association %d of %d: %w", n+1, size, err)
		}
		c.ids[n] = aws.ToString(created.AssociationId)
		return nil
	}
	if err := lastAlone(ctx, first, size-1, create); err != nil {
		c.env.T.Fatalf("%v", err)
	}
}

// Shrink deletes associations until there are size. That of service account number size is deleted
// when EKS has answered for all others.
func (c *Crowd) Shrink(ctx context.Context, size int) {
	c.env.T.Helper()
	if size >= len(c.ids) {
		return
	}
	// Backwards, so that the last one is the first of those that go.
	last := len(c.ids) - 1
	remove := func(ctx context.Context, n int) error { return c.remove(ctx, c.ids[last-n]) }
	if err := lastAlone(ctx, 0, last-size, remove); err != nil {
		c.env.T.Fatalf("%v", err)
	}
	c.ids = c.ids[:size]
}

// lastAlone does something for all numbers from first to last, the last one after all others.
func lastAlone(ctx context.Context, first, last int, do func(ctx context.Context, n int) error) error {
	group, together := errgroup.WithContext(ctx)
	group.SetLimit(crowdAtOnce)
	for n := first; n < last && together.Err() == nil; n++ {
		group.Go(func() error { return do(together, n) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return do(ctx, last)
}

func (c *Crowd) remove(ctx context.Context, id string) error {
	_, err := c.env.EKS.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: &c.env.ClusterName, AssociationId: &id})
	if _, gone := errors.AsType[*ekstypes.ResourceNotFoundException](err); gone {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete association %s: %w", id, err)
	}
	return nil
}

// removePart removes crowdPart of the associations that EKS says there are: more may have been made
// than were answered.
func (c *Crowd) removePart(ctx context.Context) error {
	pages := eks.NewListPodIdentityAssociationsPaginator(c.env.EKS, &eks.ListPodIdentityAssociationsInput{ClusterName: &c.env.ClusterName, Namespace: &c.Namespace})
	var ids []string
	for pages.HasMorePages() && len(ids) < crowdPart {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list associations of namespace %s: %w", c.Namespace, err)
		}
		for _, association := range page.Associations {
			ids = append(ids, aws.ToString(association.AssociationId))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return lastAlone(ctx, 0, len(ids)-1, func(ctx context.Context, n int) error { return c.remove(ctx, ids[n]) })
}
