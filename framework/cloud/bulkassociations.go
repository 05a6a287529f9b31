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
	// bulkConcurrency is the number of simultaneous calls to EKS.
	bulkConcurrency = 10
	// bulkPart is the number of associations that one clean-up removes, so that each ends in time.
	bulkPart = 2000
)

// BulkAssociations is a changing number of associations with one role. Their service accounts need not exist.
type BulkAssociations struct {
	// Namespace of the service accounts, which no other association uses; it need not exist.
	Namespace string

	env  *framework.Env
	role *Role
	// ids of the associations, by the numbers of their service accounts.
	ids []string
	// covered is the number of associations with a registered removal.
	covered int
}

// NewBulkAssociations returns an empty set; Grow creates the associations.
func NewBulkAssociations(env *framework.Env, role *Role) *BulkAssociations {
	return &BulkAssociations{Namespace: env.NewName(), env: env, role: role}
}

// Size is their number.
func (b *BulkAssociations) Size() int { return len(b.ids) }

// ServiceAccount is the name of number n, counted from 0.
func (b *BulkAssociations) ServiceAccount(n int) string { return fmt.Sprintf("app-%05d", n) }

// Grow creates associations until there are size. It creates that of the last service account after EKS has answered for
// all others. All are removed at the end, also those of an interrupted call.
func (b *BulkAssociations) Grow(ctx context.Context, size int) {
	b.env.T.Helper()
	for ; b.covered < size; b.covered += bulkPart {
		b.env.T.Cleanup(fmt.Sprintf("associations of namespace %s", b.Namespace), b.removePart)
	}
	first := len(b.ids)
	if size <= first {
		return
	}
	b.ids = append(b.ids, make([]string, size-first)...)
	create := func(ctx context.Context, n int) error {
		created, err := createAssociation(ctx, b.env, b.Namespace, b.ServiceAccount(n), b.role)
		if err != nil {
			return fmt.Errorf("create association %d of %d: %w", n+1, size, err)
		}
		b.ids[n] = aws.ToString(created.AssociationId)
		return nil
	}
	if err := lastAlone(ctx, first, size-1, create); err != nil {
		b.env.T.Fatalf("%v", err)
	}
}

// Shrink deletes associations until there are size. It deletes that of service account number size after EKS has answered
// for all others.
func (b *BulkAssociations) Shrink(ctx context.Context, size int) {
	b.env.T.Helper()
	if size >= len(b.ids) {
		return
	}
	// The order is reversed, so that the last one is the first to be deleted.
	last := len(b.ids) - 1
	remove := func(ctx context.Context, n int) error { return b.remove(ctx, b.ids[last-n]) }
	if err := lastAlone(ctx, 0, last-size, remove); err != nil {
		b.env.T.Fatalf("%v", err)
	}
	b.ids = b.ids[:size]
}

// lastAlone calls do for all numbers from first to last, for the last one after all others.
func lastAlone(ctx context.Context, first, last int, do func(ctx context.Context, n int) error) error {
	group, together := errgroup.WithContext(ctx)
	group.SetLimit(bulkConcurrency)
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

func (b *BulkAssociations) remove(ctx context.Context, id string) error {
	_, err := b.env.EKS.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: &b.env.ClusterName, AssociationId: &id})
	if _, gone := errors.AsType[*ekstypes.ResourceNotFoundException](err); gone {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete association %s: %w", id, err)
	}
	return nil
}

// removePart removes bulkPart of the associations in EKS's list, because more may exist than were answered.
func (b *BulkAssociations) removePart(ctx context.Context) error {
	pages := eks.NewListPodIdentityAssociationsPaginator(b.env.EKS, &eks.ListPodIdentityAssociationsInput{ClusterName: &b.env.ClusterName, Namespace: &b.Namespace})
	var ids []string
	for pages.HasMorePages() && len(ids) < bulkPart {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list associations of namespace %s: %w", b.Namespace, err)
		}
		for _, association := range page.Associations {
			ids = append(ids, aws.ToString(association.AssociationId))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return lastAlone(ctx, 0, len(ids)-1, func(ctx context.Context, n int) error { return b.remove(ctx, ids[n]) })
}
