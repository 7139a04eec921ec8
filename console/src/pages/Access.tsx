import { Button, Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { tokensQuery, usersQuery } from '../app/queries';
import { useMay } from '../app/useCaller';
import type { Token, User } from '../gen/bodega/identity/v1/identity_pb';
import { CopyId, Empty, ProblemNotice, When } from '../ui/atoms';
import { DataTable, type Column } from '../ui/DataTable';
import { toDate } from '../ui/format';
import { IconKey, IconPlus, IconUsers } from '../ui/icons';
import { Card, PageHead, State } from '../ui/surface';
import { roleLabel } from '../ui/words';

// The dialogs are fetched when they are asked for.
const AddPerson = lazy(() => import('./AccessDialogs').then((module) => ({ default: module.AddPerson })));
const MakeToken = lazy(() => import('./AccessDialogs').then((module) => ({ default: module.MakeToken })));
const RevokeToken = lazy(() => import('./AccessDialogs').then((module) => ({ default: module.RevokeToken })));

const route = getRouteApi('/app/access');

const userColumns: Column<User>[] = [
  { key: 'name', title: 'Name', width: 150, grow: 2, value: (user) => user.name, cell: (user) => <strong>{user.name}</strong> },
  { key: 'email', title: 'Email', width: 180, grow: 2, value: (user) => user.email, phone: false },
  { key: 'role', title: 'Role', width: 110, value: (user) => roleLabel(user.role) },
  { key: 'merchant', title: 'Merchant', width: 130, value: (user) => user.merchantId, phone: false, cell: (user) => user.merchantId || 'All' },
  { key: 'state', title: 'State', width: 110, value: (user) => (user.disabled ? 'Disabled' : 'Active'), cell: (user) => <State word={user.disabled ? { label: 'Disabled', tone: 'quiet' } : { label: 'Active', tone: 'ok' }} /> },
  { key: 'since', title: 'Since', width: 136, value: (user) => toDate(user.createdAt)?.toISOString(), cell: (user) => <When at={user.createdAt} />, phone: false },
];

export function Access() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const tab = search.tab === 'tokens' ? 'tokens' : 'people';
  return (
    <>
      <PageHead title="Access" lede="People sign in; programs carry tokens. A role decides what either may do." />
      <Tabs value={tab} onChange={(next) => void navigate({ search: { tab: next === 'tokens' ? 'tokens' : undefined } })} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="people">People</Tabs.Tab>
          <Tabs.Tab value="tokens">Tokens</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="people"><People /></Tabs.Panel>
        <Tabs.Panel value="tokens"><Tokens /></Tabs.Panel>
      </Tabs>
    </>
  );
}

function People() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const mayAdd = useMay('identity.user.write');
  const [adding, setAdding] = useState(false);
  const query = useQuery(usersQuery());
  return (
    <Card flush>
      {query.error && <ProblemNotice error={query.error} retry={() => void query.refetch()} />}
      <DataTable
        id="people"
        label="People"
        rows={query.data ?? []}
        columns={userColumns}
        rowKey={(user) => user.email}
        loading={query.isPending}
        failed={query.isError}
        view={search}
        onView={(view) => void navigate({ search: (before) => ({ ...before, ...view }), replace: true })}
        bar={mayAdd && <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>Add a person</Button>}
        empty={<Empty icon={<IconUsers size={32} />} title="Nobody yet" command="bodega user create --email E --name N --role operator">A person signs in with an email and a password.</Empty>}
      />
      <Suspense fallback={null}>{adding && <AddPerson onClose={() => setAdding(false)} />}</Suspense>
    </Card>
  );
}

function Tokens() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useMay('identity.token.write');
  const [adding, setAdding] = useState(false);
  const [revoking, setRevoking] = useState<Token>();
  const query = useQuery(tokensQuery());
  const columns: Column<Token>[] = [
    { key: 'name', title: 'Name', width: 150, grow: 2, value: (token) => token.name, cell: (token) => <strong>{token.name}</strong> },
    { key: 'id', title: 'Token id', width: 150, value: (token) => token.tokenId, cell: (token) => <CopyId id={token.tokenId} what="Token id" />, phone: false },
    { key: 'role', title: 'Role', width: 110, value: (token) => roleLabel(token.role), phone: false },
    { key: 'merchant', title: 'Merchant', width: 130, value: (token) => token.merchantId, cell: (token) => token.merchantId || 'All', phone: false },
    { key: 'used', title: 'Last used', width: 136, value: (token) => toDate(token.lastUsedAt)?.toISOString(), cell: (token) => <When at={token.lastUsedAt} empty="Never" />, phone: false },
    { key: 'expires', title: 'Expires', width: 136, value: (token) => toDate(token.expiresAt)?.toISOString(), cell: (token) => <When at={token.expiresAt} empty="Never" /> },
    ...(mayWrite
      ? [{ key: 'revoke', title: 'Revoke', width: 96, value: () => '', cell: (token: Token) => <Button size="compact-xs" variant="default" aria-label={`Revoke ${token.name}`} onClick={() => setRevoking(token)}>Revoke</Button> }]
      : []),
  ];
  return (
    <Card flush>
      {query.error && <ProblemNotice error={query.error} retry={() => void query.refetch()} />}
      <DataTable
        id="tokens"
        label="Tokens"
        rows={query.data ?? []}
        columns={columns}
        rowKey={(token) => token.tokenId}
        loading={query.isPending}
        failed={query.isError}
        view={search}
        onView={(view) => void navigate({ search: (before) => ({ ...before, ...view }), replace: true })}
        bar={mayWrite && <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>Make a token</Button>}
        empty={
          <Empty icon={<IconKey size={32} />} title="No tokens yet" action={mayWrite && <Button onClick={() => setAdding(true)}>Make a token</Button>} command="bodega token create --name NAME --role merchant --merchant M">
            A token lets a program submit feeds or read menus. Its secret is shown once.
          </Empty>
        }
      />
      <Suspense fallback={null}>
        {adding && <MakeToken onClose={() => setAdding(false)} />}
        {revoking && <RevokeToken token={revoking} onClose={() => setRevoking(undefined)} />}
      </Suspense>
    </Card>
  );
}
