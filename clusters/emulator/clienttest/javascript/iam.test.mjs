import test from 'node:test';
import assert from 'node:assert/strict';
import {
  AttachRolePolicyCommand, CreatePolicyCommand, CreateRoleCommand, DeleteRoleCommand, DetachRolePolicyCommand, GetRoleCommand, IAMClient,
  ListRolesCommand, PutRolePolicyCommand, paginateListRoles, waitUntilRoleExists,
} from '@aws-sdk/client-iam';
import { config, refused, world } from './world.mjs';

const admin = new IAMClient(config(world.admin));
const trust = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'pods.eks.amazonaws.com' }, Action: ['sts:AssumeRole', 'sts:TagSession'] }],
});
const document = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }] });

test('a role with its policies comes and goes', async () => {
  const RoleName = 'js';
  const role = await admin.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust, Tags: [{ Key: 'by', Value: 'js' }] }));
  assert.equal(role.Role.Arn, 'arn:aws:iam::123456789012:role/js');
  await waitUntilRoleExists({ client: admin, maxWaitTime: 10 }, { RoleName });
  const found = await admin.send(new GetRoleCommand({ RoleName }));
  assert.deepEqual(JSON.parse(decodeURIComponent(found.Role.AssumeRolePolicyDocument)), JSON.parse(trust));
  assert.deepEqual(found.Role.Tags, [{ Key: 'by', Value: 'js' }]);
  const PolicyArn = (await admin.send(new CreatePolicyCommand({ PolicyName: 'js', PolicyDocument: document }))).Policy.Arn;
  await admin.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
  await assert.rejects(admin.send(new DeleteRoleCommand({ RoleName })), refused('DeleteConflictException', 409));
  await admin.send(new DetachRolePolicyCommand({ RoleName, PolicyArn }));
  const names = [];
  for await (const page of paginateListRoles({ client: admin, pageSize: 1 }, {})) {
    names.push(...page.Roles.map(listed => listed.RoleName));
  }
  assert.ok(names.includes('js') && names.includes('epi-node'), names.join(' '));
  await admin.send(new DeleteRoleCommand({ RoleName }));
  await assert.rejects(admin.send(new GetRoleCommand({ RoleName })), refused('NoSuchEntityException', 404));
});

test('refusals have their names', async () => {
  await assert.rejects(
    admin.send(new CreateRoleCommand({ RoleName: 'epi-node', AssumeRolePolicyDocument: trust })),
    refused('EntityAlreadyExistsException', 409),
  );
  await assert.rejects(
    admin.send(new PutRolePolicyCommand({ RoleName: 'epi-node', PolicyName: 'x', PolicyDocument: '{}' })),
    refused('MalformedPolicyDocumentException', 400),
  );
  for (const [who, name] of [['nobody', 'AccessDenied'], ['expired', 'ExpiredToken'], ['invalid', 'InvalidClientTokenId']]) {
    await assert.rejects(new IAMClient(config(world[who])).send(new ListRolesCommand({})), refused(name, 403));
  }
});
