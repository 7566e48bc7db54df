// Elements of the page, found and made.

/** The element of an id. */
export const byId = (id) => document.getElementById(id);

/** Make an element of HTML with attributes and children. */
export function html(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** Make an element of SVG with attributes and children. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(element, attributes, children) {
  const { style, ...others } = attributes;
  // The page's security policy allows no attribute of this name.
  if (style) element.style.cssText = style;
  for (const [name, value] of Object.entries(others)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A share as a percentage. */
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}%`;
