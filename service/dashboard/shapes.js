// Lines and areas of a drawing, made one by one: nothing is ever written as markup.

const NAMESPACE = "http://www.w3.org/2000/svg";

export function shape(tag, attributes = {}, text) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A drawing of its own, hidden from readers of the screen unless it is given words. */
export function drawing(className, width, height, words) {
  const made = shape("svg", { class: className, viewBox: `0 0 ${width} ${height}` });
  if (words) label(made, words);
  else made.setAttribute("aria-hidden", "true");
  return made;
}

export function label(svg, words) {
  if (svg.getAttribute("aria-label") === words) return;
  svg.removeAttribute("aria-hidden");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", words);
}

/** Points as x, y of a drawing; positions are [row, col] from the centre of the top-left pixel. */
export const xy = ([row, col]) => [col + 0.5, row + 0.5];

export const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
