// What every part of the page draws with. Text from the daemon, which quotes servers and configurations, is only ever set
// as text: nothing here, nor elsewhere in the page, parses HTML.

const svgNamespace = "http://www.w3.org/2000/svg";

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
};

// h makes an element with attributes and children; strings among these become text.
export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

// s makes an element of SVG.
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(svgNamespace, tag), attributes, children);

export const byId = (id) => document.getElementById(id);

// say sets a text, and touches nothing that says it already: a screen reader reads anew what is touched in a live region.
export const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

// A Drawing replaces what is in an element when, and only when, what it is drawn from has changed, so that focus and
// selection stay.
export class Drawing {
  #element;
  #from = null;

  constructor(element) {
    this.#element = element;
  }

  draw(from, children) {
    const now = JSON.stringify(from);
    if (now === this.#from) return;
    this.#from = now;
    this.#element.replaceChildren(...children());
  }
}
