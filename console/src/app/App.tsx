import { MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { cssVariables, schemes, styleNonce, theme } from '../ui/theme';
import { Toasts } from '../ui/toast';
import { queryClient } from './queries';
import type { makeRouter } from './router';

export function App({ router }: { router: ReturnType<typeof makeRouter> }) {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} colorSchemeManager={schemes} defaultColorScheme="auto" getStyleNonce={styleNonce}>
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
        <Toasts />
      </QueryClientProvider>
    </MantineProvider>
  );
}
