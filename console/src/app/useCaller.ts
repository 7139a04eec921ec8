import { useQuery } from '@tanstack/react-query';
import { Role, type Caller } from '../gen/bodega/identity/v1/identity_pb';
import { callerQuery } from './queries';

/** Who is signed in; present on every page behind the sign-in. */
export function useCaller(): Caller | undefined {
  return useQuery(callerQuery()).data;
}

/** Whether the caller holds a permission such as "inventory.hold.decide". */
export function useMay(permission: string): boolean {
  const caller = useCaller();
  return caller !== undefined && caller.permissions.includes(permission);
}

export function isMerchantUser(caller: Caller | undefined): boolean {
  return caller?.role === Role.MERCHANT;
}
