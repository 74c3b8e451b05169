// The pages work without this file; it adds the search field and the total that follows the number of copies.
"use strict";

const search = document.querySelector("#search");
if (search) {
  const books = document.querySelectorAll(".books li");
  search.hidden = false;
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    for (const book of books) book.hidden = !book.textContent.toLowerCase().includes(wanted);
  });
}

const copies = document.querySelector("#id_copies");
const total = document.querySelector("output[data-price]");
if (copies && total) {
  const euros = new Intl.NumberFormat(document.documentElement.lang, { style: "currency", currency: "EUR" });
  const update = () => (total.value = euros.format(copies.value * total.dataset.price));
  copies.addEventListener("input", update);
  update();
}
