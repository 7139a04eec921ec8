import { TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useState } from 'react';
import { IconSearch } from './icons';

// Long enough to type on, short enough not to be waited for.
const pauseMs = 200;

/** A search that the address carries. It says what was typed once typing pauses, and shows each key at once. */
export function SearchField({ label, placeholder, value, onChange }: { label: string; placeholder: string; value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value);
  const [before, setBefore] = useState(value);
  // What was said and has not come back in the address yet.
  const [said, setSaid] = useState<string[]>([]);
  if (value !== before) {
    setBefore(value);
    const at = said.indexOf(value);
    setSaid(at < 0 ? [] : said.slice(at + 1));
    // The address also changes by other ways than typing.
    if (at < 0) setTyped(value);
  }
  const say = useDebouncedCallback((text: string) => {
    if (text !== value) setSaid([...said, text]);
    onChange(text);
  }, pauseMs);
  return (
    <TextInput
      leftSection={<IconSearch size={15} aria-hidden />}
      aria-label={label}
      placeholder={placeholder}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        say(event.currentTarget.value.trim());
      }}
    />
  );
}
