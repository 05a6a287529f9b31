import test from 'node:test';
import assert from 'node:assert/strict';
import {
  CreatePodIdentityAssociationCommand, DeletePodIdentityAssociationCommand, DescribeClusterCommand, DescribePodIdentityAssociationCommand,
  EKSClient, ListClustersCommand, UpdatePodIdentityAssociationCommand, paginateListPodIdentityAssociations,
} from '@aws-sdk/client-eks';
import { config, refused, world } from './world.mjs';

const clusterName = world.cluster;
const admin = new EKSClient(config(world.admin));

test('clusters', async () => {
  assert.deepEqual((await admin.send(new ListClustersCommand({}))).clusters, [clusterName]);
  const { cluster } = await admin.send(new DescribeClusterCommand({ name: clusterName }));
  assert.deepEqual([cluster.status, cluster.version], ['ACTIVE', '1.36']);
  assert.ok(cluster.createdAt instanceof Date);
  await assert.rejects(admin.send(new DescribeClusterCommand({ name: 'none' })), refused('ResourceNotFoundException', 404));
});

test('an association comes, changes and goes', async () => {
  const input = { clusterName, namespace: 'default', serviceAccount: 'js', roleArn: world.roleArn, tags: { by: 'js' } };
  const { association } = await admin.send(new CreatePodIdentityAssociationCommand(input));
  await assert.rejects(admin.send(new CreatePodIdentityAssociationCommand(input)), refused('ResourceInUseException', 409));
  const id = { clusterName, associationId: association.associationId };
  await admin.send(new UpdatePodIdentityAssociationCommand({ ...id, disableSessionTags: true }));
  const described = (await admin.send(new DescribePodIdentityAssociationCommand(id))).association;
  assert.deepEqual([described.disableSessionTags, described.tags], [true, { by: 'js' }]);
  const accounts = [];
  for await (const page of paginateListPodIdentityAssociations({ client: admin, pageSize: 1 }, { clusterName })) {
    accounts.push(...page.associations.map(listed => listed.serviceAccount));
  }
  assert.deepEqual(accounts, ['app', 'js']);
  await admin.send(new DeletePodIdentityAssociationCommand(id));
  await assert.rejects(admin.send(new DescribePodIdentityAssociationCommand(id)), refused('ResourceNotFoundException', 404));
});

test('refusals have their names', async () => {
  for (const [who, name] of [['nobody', 'AccessDeniedException'], ['expired', 'ExpiredTokenException'], ['invalid', 'UnrecognizedClientException']]) {
    await assert.rejects(new EKSClient(config(world[who])).send(new ListClustersCommand({})), refused(name, 403));
  }
});
