// Runs before the first paint, so that a page in dark never flashes white.
(function () {
  var scheme = null, density = null;
  try {
    scheme = localStorage.getItem('bodega.scheme');
    density = localStorage.getItem('bodega.density');
  } catch (e) {
    // Storage may be off; the defaults stand.
  }
  if (scheme !== 'light' && scheme !== 'dark') {
    scheme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  }
  document.documentElement.setAttribute('data-mantine-color-scheme', scheme);
  document.documentElement.setAttribute('data-density', density === 'compact' ? 'compact' : 'comfortable');
})();
