import { Button, NumberInput, PasswordInput, Select, Tabs, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api/clients';
import { MerchantPicker } from '../app/pickers';
import { queryClient, tokensQuery, usersQuery } from '../app/queries';
import { useMay } from '../app/useCaller';
import { Role, type Token, type User } from '../gen/bodega/identity/v1/identity_pb';
import { Command, CopyId, Empty, ProblemNotice, When } from '../ui/atoms';
import { DataTable, type Column } from '../ui/DataTable';
import { Dialog } from '../ui/Dialog';
import { toDate } from '../ui/format';
import { IconKey, IconPlus, IconUsers } from '../ui/icons';
import { Card, Notice, PageHead, State, surface } from '../ui/surface';
import { toast, toastProblem } from '../ui/toast';
import { roleLabel } from '../ui/words';
import { useSubmit } from './AddStore';

const route = getRouteApi('/app/access');
const peopleRoles = [Role.MERCHANT, Role.OPERATOR, Role.SUPPORT, Role.FINANCE, Role.ENGINEER, Role.ADMIN];

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
      {adding && <AddPerson onClose={() => setAdding(false)} />}
    </Card>
  );
}

function AddPerson({ onClose }: { onClose: () => void }) {
  const [email, setEmail] = useState('');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [role, setRole] = useState<Role>(Role.OPERATOR);
  const [merchantId, setMerchantId] = useState<string>();
  const form = useSubmit(async (key) => {
    await api().identity.createUser({ email, name, password, role, merchantId: role === Role.MERCHANT ? (merchantId ?? '') : '', idempotencyKey: key });
    toast({ tone: 'ok', title: `${name} may sign in now` });
    onClose();
  });
  return (
    <Dialog onClose={onClose} title="Add a person">
      <form onSubmit={form.onSubmit} className={surface.stack} style={{ gap: 16 }}>
        {form.error !== undefined && <ProblemNotice error={form.error} />}
        <TextInput label="Name" required maxLength={200} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <TextInput label="Email" type="email" autoComplete="off" required value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
        <PasswordInput label="Password" description="At least 10 characters" autoComplete="new-password" minLength={10} required value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
        <RoleSelect roles={peopleRoles} value={role} onChange={setRole} />
        {role === Role.MERCHANT && <MerchantPicker label="Merchant" required value={merchantId} onChange={setMerchantId} />}
        <Button type="submit" loading={form.busy} disabled={role === Role.MERCHANT && !merchantId}>Add the person</Button>
      </form>
    </Dialog>
  );
}

function RoleSelect({ roles, value, onChange }: { roles: Role[]; value: Role; onChange: (role: Role) => void }) {
  return (
    <Select
      label="Role"
      allowDeselect={false}
      data={roles.map((role) => ({ value: String(role), label: roleLabel(role) }))}
      value={String(value)}
      onChange={(next) => next !== null && onChange(Number(next))}
    />
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
      {adding && <MakeToken onClose={() => setAdding(false)} />}
      {revoking && <Revoke token={revoking} onClose={() => setRevoking(undefined)} />}
    </Card>
  );
}

function MakeToken({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>(Role.MERCHANT);
  const [merchantId, setMerchantId] = useState<string>();
  const [days, setDays] = useState<number | string>(90);
  const [secret, setSecret] = useState('');
  const form = useSubmit(async (key) => {
    const made = await api().identity.createToken({ name, role, merchantId: merchantId ?? '', days: Number(days), idempotencyKey: key });
    setSecret(made.secret);
  });
  return (
    <Dialog onClose={onClose} title={secret ? `Token ${name}` : 'Make a token'} keepOpen={secret !== ''}>
      {secret ? (
        <div className={surface.stack} style={{ gap: 16 }}>
          <Notice tone="warn" title="This is the only time that the secret is shown">Only its hash is kept. Copy it to where the program reads it.</Notice>
          <Command>{secret}</Command>
          <Button onClick={onClose}>I have copied it</Button>
        </div>
      ) : (
        <form onSubmit={form.onSubmit} className={surface.stack} style={{ gap: 16 }}>
          {form.error !== undefined && <ProblemNotice error={form.error} />}
          <TextInput label="Name" description="What will carry it" required maxLength={200} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <RoleSelect roles={[...peopleRoles, Role.SERVICE]} value={role} onChange={setRole} />
          {role === Role.MERCHANT && <MerchantPicker label="Merchant" required value={merchantId} onChange={setMerchantId} />}
          <NumberInput label="Days until it expires" description="0 for never" min={0} max={3650} allowDecimal={false} value={days} onChange={setDays} />
          <Button type="submit" loading={form.busy} disabled={role === Role.MERCHANT && !merchantId}>Make the token</Button>
        </form>
      )}
    </Dialog>
  );
}

/** Revoking cannot be taken back, so it asks and names the token. */
function Revoke({ token, onClose }: { token: Token; onClose: () => void }) {
  const [busy, setBusy] = useState(false);
  const revoke = async () => {
    setBusy(true);
    try {
      await api().identity.revokeToken({ tokenId: token.tokenId });
      toast({ tone: 'ok', title: `${token.name} revoked` });
      await queryClient.invalidateQueries({ queryKey: tokensQuery().queryKey });
      onClose();
    } catch (error) {
      toastProblem(error);
      setBusy(false);
    }
  };
  return (
    <Dialog onClose={onClose} title={`Revoke ${token.name}?`}>
      <div className={surface.stack} style={{ gap: 16 }}>
        <p>Whatever carries it stops working at once. This cannot be undone; a new token would have another secret.</p>
        <div className={surface.actions}>
          <Button color="red.8" loading={busy} onClick={() => void revoke()}>Revoke {token.name}</Button>
          <Button variant="default" onClick={onClose}>Keep it</Button>
        </div>
      </div>
    </Dialog>
  );
}
