//go:build e2e

package browser

// finder is the script by which a test finds what a person would: it is run in
// the page by the devtools protocol, so that no content security policy is in
// its way and the page does not know of it.
//
//	shown(e)            whether a person can see it
//	named(e)            how it is called: label, aria-label, legend, text
//	part(name)          the smallest part of the page under a heading of that name
//	find(kind, name, scope)  everything of a kind that is shown and called so
const finder = `
const tidy = text => (text || '').replace(/\s+/g, ' ').trim();
const shown = e => e.checkVisibility({visibilityProperty: true, opacityProperty: true});
const visibleText = e => {
  const copy = e.cloneNode(true);
  for (const hidden of copy.querySelectorAll('svg, select, input, textarea, [aria-hidden=true]')) hidden.remove();
  return tidy(copy.textContent);
};
const byIDs = ids => tidy((ids || '').split(' ').map(id => document.getElementById(id)).filter(Boolean).map(visibleText).join(' '));
const named = e => {
  if (e.hasAttribute('aria-labelledby')) return byIDs(e.getAttribute('aria-labelledby'));
  if (e.hasAttribute('aria-label')) return tidy(e.getAttribute('aria-label'));
  if (e.labels && e.labels.length) return visibleText(e.labels[0]);
  return visibleText(e) || tidy(e.value);
};
const kinds = {
  button: 'button, input[type=submit], summary, [role=button]',
  link: 'a[href]',
  field: 'input:not([type=hidden]):not([type=submit]):not([type=checkbox]):not([type=radio]), textarea, select',
  tick: 'input[type=checkbox], input[type=radio]',
  heading: 'h1, h2, h3, h4, legend, caption',
};
const part = name => {
  if (!name) return document;
  const heading = [...document.querySelectorAll(kinds.heading)].find(e => shown(e) && visibleText(e) === name);
  if (!heading) return null;
  return heading.closest('fieldset, section, article, form, .card, main') || document;
};
const readable = name => {
  const root = part(name);
  return root ? tidy((root === document ? document.body : root).innerText) : '';
};
const find = (kind, name, scope) => {
  const root = part(scope);
  if (!root) return [];
  return [...root.querySelectorAll(kinds[kind])].filter(e => shown(e) && named(e) === name);
};
`
