// Files cannot be sent from this page yet: say so, and keep the browser from leaving the page for a dropped one.

/** `refuse()` is called for each attempt to paste or drop files. */
export function refuseFiles(refuse) {
  addEventListener('dragover', (event) => {
    if (hasFiles(event.dataTransfer)) event.preventDefault(); // else the browser opens what is dropped
  });
  addEventListener('drop', (event) => {
    if (!hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    refuse();
  });
  addEventListener('paste', (event) => {
    // Programs for documents put a picture beside the text that is pasted.
    if (hasFiles(event.clipboardData) && !event.clipboardData.types.includes('text/plain')) refuse();
  });
}

function hasFiles(transfer) {
  return transfer?.types.includes('Files') ?? false;
}
