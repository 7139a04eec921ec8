import { Button, NumberInput, PasswordInput, Select, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api } from '../api/clients';
import { MerchantPicker } from '../app/pickers';
import { queryClient, tokensQuery } from '../app/queries';
import { useSubmit } from '../app/useSubmit';
import { Role, type Token } from '../gen/bodega/identity/v1/identity_pb';
import { Command, ProblemNotice } from '../ui/atoms';
import { Dialog } from '../ui/Dialog';
import { Notice, surface } from '../ui/surface';
import { toast, toastProblem } from '../ui/toast';
import { roleLabel } from '../ui/words';

const peopleRoles = [Role.MERCHANT, Role.OPERATOR, Role.SUPPORT, Role.FINANCE, Role.ENGINEER, Role.ADMIN];

export function AddPerson({ onClose }: { onClose: () => void }) {
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
        <TextInput data-autofocus label="Name" required maxLength={200} value={name} onChange={(event) => setName(event.currentTarget.value)} />
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

export function MakeToken({ onClose }: { onClose: () => void }) {
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
          <TextInput data-autofocus label="Name" description="What will carry it" required maxLength={200} value={name} onChange={(event) => setName(event.currentTarget.value)} />
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
export function RevokeToken({ token, onClose }: { token: Token; onClose: () => void }) {
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
          <Button data-autofocus variant="default" onClick={onClose}>Keep it</Button>
        </div>
      </div>
    </Dialog>
  );
}
